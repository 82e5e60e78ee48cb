// Two people with a browser each, one of them up to no good; and what one person does with tabs, with the Back button, and
// with a browser that takes no cookies.
//
//   npm ci && node --test people.mjs

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { chromium } from 'playwright-core';

import { LAUNCH } from '../support/chromium.mjs';
import { START_MS, startExample } from '../support/examples.mjs';

const WAIT_MS = 15_000;
const ADA = { name: 'Ada Lovelace', subject: 'user:default/ada' };
const GRACE = { name: 'Grace Hopper', subject: 'user:default/grace' };

let portal;
let browser;
let provider;

before(async () => {
  portal = await startExample('portal', ['--listen', '127.0.0.1:0']);
  const { providers } = await (await fetch(`${portal.url}/portal.json`)).json();
  provider = providers.find(({ kind }) => kind !== 'proxy');
  browser = await chromium.launch(LAUNCH);
}, { timeout: START_MS });

after(async () => {
  await browser?.close();
  await portal?.stop();
});

// ===== what people do =====

/** Somebody with a browser of their own. */
async function somebody() {
  const context = await browser.newContext({ baseURL: portal.url });
  context.setDefaultTimeout(WAIT_MS);
  return { context, page: await context.newPage() };
}

const start = (page) =>
  page.getByRole('link', { name: `${provider.title} without a popup` }).click();

const choose = (page, { name }) => page.getByRole('button', { name }).click();

async function signIn(page, who) {
  await page.goto('/');
  await start(page);
  await choose(page, who);
  await page.getByRole('heading', { name: who.name }).waitFor();
}

/** Whom the portal takes the browser for. */
async function subject(context) {
  const answer = await context.request.get('/api/whoami');
  return answer.ok() ? (await answer.json()).subject : null;
}

/** Signs in at the provider and stops at the last step: the address that would complete it. */
async function lastStep({ context }, user) {
  const to = async (response) => (await response).headers().location;
  const options = { maxRedirects: 0 };
  const begin = `/api/auth/${provider.id}/start?env=development&flow=redirect&redirectUrl=/`;
  const asked = await to(context.request.get(begin, options));
  // As the provider's page would.
  const [address, query] = asked.split('?');
  const form = Object.fromEntries(new URLSearchParams(query));
  const last = await to(context.request.post(address, { ...options, form: { ...form, user } }));
  assert.match(last, /handler\/frame\?.*code=/);
  return last;
}

/** The failure page: what it says, and its reference, which stands in the portal's log as well. */
async function failure(page) {
  await page.getByRole('heading', { name: 'Signing in did not work' }).waitFor();
  const reference = await page.locator('code').innerText();
  assert.match(reference, /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
  assert.ok(portal.log().includes(reference), 'the operator finds it');
  return page.locator('main').innerText();
}

const attempts = async (context) =>
  (await context.cookies()).filter(({ name }) => name.includes('attempt')).length;

// ===== the tests =====

describe('people', { timeout: 5 * 60_000 }, () => {
  test('nobody is signed in as somebody else by an address that is sent to them', async () => {
    const [mallory, ada] = [await somebody(), await somebody()];
    const address = await lastStep(mallory, 'grace');
    // To somebody who is not signed in.
    await ada.page.goto(address);
    const said = await failure(ada.page);
    assert.match(said, /not begun in this browser/);
    assert.equal(await subject(ada.context), null);
    assert.equal((await ada.context.cookies()).length, 0);
    await ada.page.getByRole('link', { name: 'Try again' }).click();
    await ada.page.getByRole('heading', { name: 'Sign in' }).waitFor();
    // To somebody who is: they stay who they are.
    await signIn(ada.page, ADA);
    await ada.page.goto(address);
    await ada.page.getByRole('heading', { name: ADA.name }).waitFor();
    assert.equal(await subject(ada.context), ADA.subject);
    // It was good for one browser, and still is: the code has not been spent.
    await mallory.page.goto(address);
    await mallory.page.getByRole('heading', { name: GRACE.name }).waitFor();
    assert.equal(await subject(ada.context), ADA.subject);
    for (const { context } of [mallory, ada]) await context.close();
  });

  test('a page of another site starts no sign-in behind its visitor\'s back', async () => {
    const path = `/api/auth/${provider.id}/start?env=development&flow=redirect&redirectUrl=/`;
    // Another site to a browser: it goes by the host, and leaves the port out.
    const evil = createServer((_, response) => {
      const at = `${portal.url.replace('127.0.0.1', 'localhost')}${path}`;
      response.setHeader('content-type', 'text/html');
      response.end(`<img src="${portal.url}${path}"><iframe src="${portal.url}${path}"></iframe>
        <script>fetch("${portal.url}${path}", { mode: 'no-cors', credentials: 'include' }).catch(() => {})</script>
        <link rel="prefetch" href="${at}">`);
    });
    await new Promise((listening) => evil.listen(0, '127.0.0.1', listening));
    const { context, page } = await somebody();
    await page.goto(`http://localhost:${evil.address().port}/`);
    await page.waitForLoadState('networkidle');
    assert.deepEqual(await context.cookies(), []);
    await context.close();
    evil.close();
  });

  test('whoever signs in has a session of their own, whatever was planted there', async () => {
    const [mallory, ada] = [await somebody(), await somebody()];
    await signIn(mallory.page, GRACE);
    const planted = await mallory.context.cookies();
    // While she is about to sign in.
    await ada.page.goto('/');
    await start(ada.page);
    await ada.page.getByRole('button', { name: ADA.name }).waitFor();
    await ada.context.addCookies(planted);
    await choose(ada.page, ADA);
    await ada.page.getByRole('heading', { name: ADA.name }).waitFor();
    assert.equal(await subject(ada.context), ADA.subject);
    const session = ({ name }) => name.includes('session');
    const own = (await ada.context.cookies()).filter(session);
    const theirs = planted.filter(session);
    assert.ok(own.length > 0 && theirs.length > 0);
    assert.ok(own.every(({ value }) => theirs.every((other) => other.value !== value)));
    // And the one that was planted is over, for whoever planted it as well (it was the same browser's).
    assert.equal(await subject(mallory.context), null);
    for (const { context } of [mallory, ada]) await context.close();
  });

  test('ten tabs are signed in, in whatever order they are finished', async () => {
    const { context } = await somebody();
    const tabs = [];
    for (let i = 0; i < 10; i += 1) {
      const page = await context.newPage();
      await page.goto('/');
      await start(page);
      await page.getByRole('button', { name: ADA.name }).waitFor();
      tabs.push(page);
    }
    assert.equal(await attempts(context), 10);
    [tabs[0], tabs[6]] = [tabs[6], tabs[0]];
    for (const page of tabs.reverse()) {
      await choose(page, ADA);
      await page.getByRole('heading', { name: ADA.name }).waitFor();
      assert.equal(page.url(), `${portal.url}/`);
    }
    assert.equal(await subject(context), ADA.subject);
    assert.ok(await attempts(context) <= 1, 'what is over is cleared away');
    await context.close();
  });

  test('a popup and a redirect side by side are both finished', async () => {
    const { context, page } = await somebody();
    await page.goto('/');
    const opening = page.waitForEvent('popup');
    await page.getByRole('button', { name: `Continue with ${provider.title}`, exact: true }).click();
    const popup = await opening;
    const other = await context.newPage();
    await other.goto('/');
    await start(other);
    await choose(other, ADA);
    await other.getByRole('heading', { name: ADA.name }).waitFor();
    await choose(popup, ADA);
    await page.getByRole('heading', { name: ADA.name }).waitFor();
    assert.equal(await subject(context), ADA.subject);
    await context.close();
  });

  test('the Back button shows no error, as often as it is pressed', async () => {
    const { context, page } = await somebody();
    const bad = [];
    page.on('response', (response) => {
      if (response.status() >= 500) bad.push(`${response.status()} ${response.url()}`);
    });
    await signIn(page, ADA);
    for (let presses = 0; presses < 3; presses += 1) {
      await page.goBack().catch(() => {});
      assert.doesNotMatch(await page.content(), /did not work/);
      assert.equal(await subject(context), ADA.subject);
    }
    for (let presses = 0; presses < 3; presses += 1) await page.goForward().catch(() => {});
    await page.goto('/');
    await page.getByRole('heading', { name: ADA.name }).waitFor();
    assert.deepEqual(bad, []);
    await context.close();
  });

  test('the address of a sign-in that is over leads to the page that it was for', async () => {
    const { context, page } = await somebody();
    let address;
    page.on('request', (request) => {
      if (request.url().includes('/handler/frame')) address = request.url();
    });
    await signIn(page, ADA);
    await page.goto(address);
    await page.getByRole('heading', { name: ADA.name }).waitFor();
    assert.equal(page.url(), `${portal.url}/`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.goto(address);
    await failure(page);
    assert.equal(await subject(context), null);
    await context.close();
  });

  test('nothing of an address is repeated on the failure page', async () => {
    const { context, page } = await somebody();
    const query = 'error=access_denied&error_description=call-0800-for-help<script>alert(1)</script>&state=0800';
    await page.goto(`/api/auth/${provider.id}/handler/frame?${query}`);
    await failure(page);
    assert.doesNotMatch(await page.content(), /0800|alert/);
    await context.close();
  });

  test('a browser that takes no cookies is told what is the matter', async () => {
    const profile = await mkdtemp(join(tmpdir(), 'tid-no-cookies-'));
    await mkdir(join(profile, 'Default'));
    const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
    await writeFile(join(profile, 'Default', 'Preferences'), JSON.stringify(preferences));
    const context = await chromium.launchPersistentContext(profile, { ...LAUNCH, baseURL: portal.url });
    try {
      context.setDefaultTimeout(WAIT_MS);
      const page = await context.newPage();
      await page.goto('/');
      await start(page);
      await choose(page, ADA);
      const said = await failure(page);
      assert.match(said, /cookies/i);
      await page.getByRole('link', { name: 'Try again' }).waitFor();
      assert.equal((await context.cookies()).length, 0);
    } finally {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    }
  });
});
