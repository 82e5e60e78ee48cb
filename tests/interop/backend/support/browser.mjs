// As much of a browser as a sign-in by redirect needs: cookies, redirects, and one form.

import assert from 'node:assert/strict';

import { send } from './http.mjs';

const REDIRECTS = 10;

export class Browser {
  /** By host, path and name, as cookies are told apart. */
  #cookies = new Map();

  /** One request, with this browser's cookies. */
  async send(url, options = {}) {
    const { hostname, port, pathname } = new URL(url);
    const host = `${hostname}:${port}`;
    const sent = [...this.#cookies.values()].filter(
      (cookie) => cookie.host === host && covers(cookie.path, pathname),
    );
    const cookie = sent.map(({ name, value }) => `${name}=${value}`).join('; ');
    const headers = { ...options.headers, ...(cookie && { cookie }) };
    const response = await send(url, { ...options, headers });
    response.headers.getSetCookie().forEach((line) => this.#keep(host, line));
    return response;
  }

  /** Goes where the answers lead; gives the last one. */
  async navigate(url, options) {
    let response = await this.send(url, options);
    for (let hops = 0; response.headers.has('location'); hops += 1) {
      assert.ok(hops < REDIRECTS, `more than ${REDIRECTS} redirects, the last to ${url}`);
      url = new URL(response.headers.get('location'), url).href;
      response = await this.send(url);
    }
    return response;
  }

  #keep(host, line) {
    const [pair, ...attributes] = line.split(/;\s*/);
    const at = pair.indexOf('=');
    const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
    const named = Object.fromEntries(
      attributes.map((attribute) => {
        const [key, text = ''] = attribute.split('=');
        return [key.toLowerCase(), text];
      }),
    );
    const path = named.path ?? '/';
    const key = `${host} ${path} ${name}`;
    if (named['max-age'] === '0' || Date.parse(named.expires) <= Date.now()) this.#cookies.delete(key);
    else this.#cookies.set(key, { host, path, name, value });
  }
}

const covers = (path, pathname) =>
  pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`);

/** The fields that the provider's form carries along. */
const hidden = (html) =>
  [...html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)].map(
    ([, name, value]) => [unescape(name), unescape(value)],
  );

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
const unescape = (text) => text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name) => ENTITIES[name]);

/** Signs `user` in at our portal, by redirect through its provider; gives the portal token. */
export async function signIn(portal, user = 'ada', provider = 'corp') {
  const browser = new Browser();
  const home = `${portal.url}/`;
  const query = new URLSearchParams({ env: 'development', flow: 'redirect', redirectUrl: home });
  const form = await browser.navigate(`${portal.issuer}/${provider}/start?${query}`);
  assert.equal(form.status, 200, `the provider's page at ${form.url}: ${form.text}`);
  const fields = [...hidden(form.text), ['user', user]];
  const end = await browser.navigate(form.url, { method: 'POST', body: new URLSearchParams(fields) });
  assert.equal(end.url, home);
  const { status, text } = await browser.send(`${portal.issuer}/${provider}/refresh?env=development`, {
    headers: { 'x-requested-with': 'XMLHttpRequest' },
  });
  assert.equal(status, 200, text);
  return JSON.parse(text).backstageIdentity.token;
}
