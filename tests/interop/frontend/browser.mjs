// A visitor: one browser with empty cookies, what they do, and everything that went wrong meanwhile.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chromium } from 'playwright-core';

import { LAUNCH, watch } from '../../support/chromium.mjs';

const WAIT_MS = 15_000;

export const ADA = {
  name: 'Ada Lovelace',
  email: 'ada@example.com',
  userEntityRef: 'user:default/ada',
  ownershipEntityRefs: ['user:default/ada', 'group:default/analysts'],
};

export const launch = () => chromium.launch(LAUNCH);

/** The real code asks for a session before there is one: Chromium logs each 401, which is an answer. */
const NO_SESSION = /\/api\/auth\/[\w-]+\/refresh\?.* 401 /;

/**
 * One test with a visitor of its own, who must not have met a fault that is not among the `expected`:
 * patterns for what the console says, after the URL that it says it of.
 */
export function visitor(arrangement, name, journey, { expected = [], path = '/' } = {}) {
  test(name, async () => {
    const context = await arrangement.browser.newContext({ baseURL: arrangement.pageOrigin });
    context.setDefaultTimeout(WAIT_MS);
    const faults = watch(context, [NO_SESSION, ...expected]);
    try {
      const page = await context.newPage();
      await open(page, path);
      await journey(page, context);
    } catch (error) {
      // What the browser met is mostly the cause.
      throw faults.length > 0 ? new AggregateError([error, ...faults], `${error.message}\n${faults.join('\n')}`) : error;
    } finally {
      await context.close();
    }
    assert.deepEqual(faults, []);
  });
}

/** Goes to a page and waits until the app is there. */
export async function open(page, path) {
  await page.goto(path);
  await ready(page);
}

/** Waits until the app has published its APIs, on whatever page the browser now is. */
export const ready = (page) => page.waitForFunction(() => window.backstage !== undefined);

// ===== what visitors do =====

/** Calls a method of one of the app's auth APIs: an answer, or `{ name, message }` of the error. */
export function call(page, provider, method, ...args) {
  return page.evaluate(
    async ([id, name, rest]) => {
      try {
        return { value: await window.backstage[id][name](...rest) };
      } catch (error) {
        return { error: { name: error.name, message: error.message } };
      }
    },
    [provider, method, args],
  );
}

/** As `call`, and an error is the test's. */
export async function get(page, provider, method, ...args) {
  const { value, error } = await call(page, provider, method, ...args);
  assert.equal(error, undefined, `${provider}.${method}: ${error?.name}: ${error?.message}`);
  return value;
}

/** Calls a method that opens a popup; gives the popup, and the answer to come. */
export async function callWithPopup(page, provider, method, ...args) {
  const opening = page.waitForEvent('popup');
  // Wrapped: an async function that returned the promise itself would wait for it.
  const answer = call(page, provider, method, ...args);
  return { popup: await opening, answer };
}

export const chooseAda = (page) => page.getByRole('button', { name: ADA.name }).click();

export const refuse = (page) => page.getByRole('button', { name: 'Refuse' }).click();

/** The whole way through the popup. Gives the identity. */
export async function signInByPopup(page, provider) {
  const { popup, answer } = await callWithPopup(page, provider, 'getBackstageIdentity', { instantPopup: true });
  const closed = popup.waitForEvent('close');
  await chooseAda(popup);
  const { value, error } = await answer;
  assert.equal(error, undefined, `${error?.name}: ${error?.message}`);
  // By itself.
  await closed;
  return value;
}

/** Makes the page's clock go on, and leaves timers alone: sessions are renewed shortly before their end. */
export async function later(page, minutes) {
  const now = await page.evaluate(() => Date.now());
  await page.clock.setFixedTime(now + minutes * 60_000);
}

/** Whom the portal's API takes a bearer token for; `undefined` for nobody. */
export async function whois(arrangement, token) {
  const answer = await fetch(`${arrangement.backendUrl}/api/whoami`, {
    headers: token ? { authorization: `Bearer ${token}` } : {},
  });
  return answer.ok ? (await answer.json()).subject : undefined;
}

/** What the portal says to a browser that sends these cookies, whatever has become of them since. */
export async function replay(arrangement, cookies, path, method = 'GET') {
  const url = new URL(path, arrangement.backendUrl);
  const sent = cookies.filter((cookie) => url.pathname.startsWith(cookie.path));
  return fetch(url, {
    method,
    headers: {
      cookie: sent.map(({ name, value }) => `${name}=${value}`).join('; '),
      'x-requested-with': 'XMLHttpRequest',
    },
  });
}
