// Somebody with a browser, as far as it matters here: a jar of cookies, and every redirect seen.

import { request } from 'node:http';

/** What `fetch` would do, but that it says of itself in a header that it is a script. */
function ask(url, { method, headers, body }) {
  const form = body && String(body);
  const type = form && { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(form) };
  return new Promise((resolve, reject) => {
    const asking = request(url, { method, headers: { ...type, ...headers } }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({
          status: response.statusCode,
          location: response.headers.location,
          cookies: response.headers['set-cookie'] ?? [],
          text,
          json: () => JSON.parse(text),
        });
      });
    });
    asking.on('error', reject);
    asking.end(form);
  });
}

export class Visitor {
  #jar = new Map();

  /** One request, not followed. Cookies go by host and path, as a browser's do; ports make no difference. */
  async send(url, { method = 'GET', headers = {}, body } = {}) {
    const { pathname } = new URL(url);
    const cookies = [...this.#jar.values()].filter(({ path }) => pathname.startsWith(path));
    const answer = await ask(url, {
      method,
      body,
      headers: {
        ...(cookies.length > 0 && { cookie: cookies.map(({ pair }) => pair).join('; ') }),
        ...headers,
      },
    });
    for (const line of answer.cookies) this.#keep(line);
    return answer;
  }

  #keep(line) {
    const [pair, ...attributes] = line.split(/; */);
    const of = (name) => {
      const found = attributes.find((text) => text.toLowerCase().startsWith(`${name}=`));
      return found?.slice(name.length + 1);
    };
    const [name] = pair.split('=');
    const path = of('path') ?? '/';
    const over = of('max-age') === '0' || new Date(of('expires') ?? 8.64e15) < new Date();
    if (over) this.#jar.delete(`${name} ${path}`);
    else this.#jar.set(`${name} ${path}`, { pair, path });
  }

  /** Goes to an address and wherever it leads: all that was visited, and the last answer. */
  async go(url, options) {
    const visited = [];
    let next = url;
    let request = options;
    for (let hops = 0; hops < 12; hops += 1) {
      visited.push(next);
      const headers = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', ...request?.headers };
      const answer = await this.send(next, { ...request, headers });
      if (!answer.location) return { visited, answer };
      next = new URL(answer.location, next).href;
      request = undefined;
    }
    throw new Error(`led around in circles: ${visited.join('\n')}`);
  }

  /** A call of a page's own script. */
  call(url, options) {
    return this.send(url, { ...options, headers: { 'x-requested-with': 'XMLHttpRequest', ...options?.headers } });
  }
}
