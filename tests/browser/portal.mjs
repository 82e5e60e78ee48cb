// The portal in a real browser: sign-in by popup, by redirect and by keyboard, under the page's own
// Content-Security-Policy, without a single request that leaves the machine.
//
//   npm ci && node --test portal.mjs
//
// `PORTAL_BIN` names a portal that is built already; otherwise cargo builds it. `CHROMIUM` names
// another browser than Debian's.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

import { LAUNCH, watch } from '../support/chromium.mjs';
import { START_MS, startExample } from '../support/examples.mjs';

const ARTIFACTS = fileURLToPath(new URL('artifacts', import.meta.url));

/** Whom the example's provider knows. */
const ADA = { name: 'Ada Lovelace', subject: 'user:default/ada', group: 'group:default/analysts' };

const WAIT_MS = 15_000;

// ===== the portal and the browser =====

/** A visitor with empty cookies, and everything that went wrong while they looked around. */
async function visit(options = {}) {
  const context = await browser.newContext({ baseURL: portal.url, ...options });
  context.setDefaultTimeout(WAIT_MS);
  // Chromium logs each 401, which from whoami is an answer.
  const faults = watch(context, [/\/api\/whoami .*401/]);
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`policy: ${event.violatedDirective} blocked ${event.blockedURI}`);
    });
  });
  return { context, page: await context.newPage(), faults };
}

// ===== what people do and see =====

/** One test with a visitor of its own, who must not have met a fault. */
function visitor(name, journey, options) {
  test(name, async () => {
    const { context, page, faults } = await visit(options);
    try {
      await page.goto('/');
      await journey(page, context);
      assert.deepEqual(faults, []);
    } finally {
      await context.close();
    }
  });
}

const signInButton = (page) =>
  page.getByRole('button', { name: `Continue with ${provider.title}`, exact: true });

const ada = (page) => page.getByRole('button', { name: ADA.name });

const chooseAda = (page) => ada(page).click();

async function signInByPopup(page) {
  const popup = page.waitForEvent('popup');
  await signInButton(page).click();
  await chooseAda(await popup);
  await seesAda(page);
}

async function seesAda(page) {
  await page.getByRole('heading', { name: ADA.name }).waitFor();
  for (const text of [ADA.subject, ADA.group]) {
    await page.locator('#signed-in').getByText(text, { exact: true }).first().waitFor();
  }
}

const seesSignIn = (page) => signInButton(page).waitFor();

/** Waits until some text is shown; the roles tell that it is read out, too. */
const hears = (page, role, text) => page.getByRole(role).filter({ hasText: text }).waitFor();

// ===== the tests =====

let portal;
let browser;
let config;
let provider;

before(async () => {
  await mkdir(ARTIFACTS, { recursive: true });
  portal = await startExample('portal', ['--listen', '127.0.0.1:0']);
  config = await (await fetch(`${portal.url}/portal.json`)).json();
  provider = config.providers.find(({ kind }) => kind !== 'proxy');
  browser = await chromium.launch(LAUNCH);
}, { timeout: START_MS });

after(async () => {
  await browser?.close();
  await portal?.stop();
});

describe('the portal', { timeout: 5 * 60_000 }, () => {
  test('has a provider to test with', () => assert.ok(provider, 'a provider that is not a proxy'));

  test('serves its page under a policy without inline scripts and styles', async () => {
    const response = await fetch(portal.url);
    const policy = response.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe/);
    assert.doesNotMatch(await response.text(), /\{\{/, 'a placeholder was left in the page');
  });

  visitor('offers every provider to somebody signed out', async (page) => {
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    for (const { title, kind } of config.providers) {
      await page.getByRole('button', { name: `Continue with ${title}`, exact: true }).waitFor();
      const plain = page.getByRole('link', { name: `Continue with ${title} without a popup` });
      assert.equal(await plain.count(), kind === 'proxy' ? 0 : 1, title);
    }
  });

  visitor('signs in by popup, keeps the session over a reload, and signs out', async (page) => {
    await signInByPopup(page);
    await hears(page, 'status', `signed in as ${ADA.name}`);
    await page.reload();
    await seesAda(page);

    await page.getByRole('button', { name: 'Sign out' }).click();
    await seesSignIn(page);
    await hears(page, 'status', 'You are signed out');
    await page.reload();
    await seesSignIn(page);
  });

  visitor('closes the popup by itself', async (page) => {
    const opening = page.waitForEvent('popup');
    await signInButton(page).click();
    const popup = await opening;
    const closed = popup.waitForEvent('close');
    await chooseAda(popup);
    await closed;
    await seesAda(page);
  });

  visitor('signs in by redirect', async (page) => {
    await page.getByRole('link', { name: `${provider.title} without a popup` }).click();
    await chooseAda(page);
    await seesAda(page);
    assert.equal(page.url(), `${portal.url}/`);
  });

  visitor('takes the redirect if the popup is blocked', async (page) => {
    await page.evaluate(() => {
      window.open = () => null;
    });
    await signInButton(page).click();
    await chooseAda(page);
    await seesAda(page);
  });

  visitor('says so if the popup is closed half-way', async (page) => {
    const popup = page.waitForEvent('popup');
    await signInButton(page).click();
    await (await popup).close();
    await hears(page, 'alert', 'sign-in window was closed');
    await seesSignIn(page);
  });

  visitor('starts over in a new popup if the button is pressed again', async (page) => {
    const first = page.waitForEvent('popup');
    await signInButton(page).click();
    const closed = (await first).waitForEvent('close');
    await signInByPopup(page);
    await closed;
    assert.equal(await page.getByRole('alert').count(), 0);
  });

  visitor('signs in where no window is needed', async (page) => {
    for (const { title } of config.providers.filter(({ kind }) => kind === 'proxy')) {
      await page.getByRole('button', { name: `Continue with ${title}`, exact: true }).click();
      await hears(page, 'status', 'You are signed in as');
      await page.getByRole('button', { name: 'Sign out' }).click();
      await seesSignIn(page);
    }
  });

  visitor('does not repeat the message of a failed redirect', async (page) => {
    await page.goto('/?error=call-0800-for-help&view=team');
    await hears(page, 'alert', 'That sign-in did not work');
    assert.doesNotMatch(await page.content(), /0800/);
    assert.equal(page.url(), `${portal.url}/?view=team`);
  });

  visitor('does not believe a message that its popup did not send', async (page) => {
    const opening = page.waitForEvent('popup');
    await signInButton(page).click();
    await opening;
    await page.evaluate(() => {
      const error = { name: 'Forged', message: 'by another window' };
      window.postMessage({ type: 'authorization_response', error }, '*');
    });
    await page.waitForTimeout(300);
    assert.equal(await page.getByText('Forged').count(), 0);
    await hears(page, 'status', 'Waiting for you');
  });

  visitor('works with the keyboard alone', async (page) => {
    const focused = () => page.evaluate(() => document.activeElement?.dataset?.provider ?? null);
    await seesSignIn(page);
    for (let presses = 0; (await focused()) === null; presses += 1) {
      assert.ok(presses < 10, 'no provider within ten presses of Tab');
      await page.keyboard.press('Tab');
    }
    assert.equal(await focused(), config.providers[0].id);
    while ((await focused()) !== provider.id) await page.keyboard.press('Tab');

    const popup = page.waitForEvent('popup');
    await page.keyboard.press('Enter');
    await chooseAda(await popup);
    await seesAda(page);
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'name');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await seesSignIn(page);
  });

  visitor('offers a way to sign in without JavaScript', async (page, context) => {
    // A click waits for animation frames, which a page without scripts may never report.
    await page.getByRole('link', { name: /^Continue with/ }).press('Enter');
    await ada(page).press('Enter');
    await page.waitForURL(`${portal.url}/`);
    const who = await (await context.request.get('/api/whoami')).json();
    assert.equal(who.subject, ADA.subject);
  }, { javaScriptEnabled: false });

  for (const colorScheme of ['light', 'dark']) {
    visitor(`looks well in ${colorScheme} colours, on a desk and on a phone`, async (page) => {
      const shoot = async (view) => {
        for (const [device, width, height] of [['desk', 1280, 800], ['phone', 360, 740]]) {
          await page.setViewportSize({ width, height });
          await page.screenshot({ path: `${ARTIFACTS}/${view}-${device}-${colorScheme}.png` });
          const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(over <= 0, `${view} is ${over} pixels too wide for a ${device}`);
        }
      };
      await seesSignIn(page);
      await shoot('signed-out');
      await signInByPopup(page);
      await shoot('signed-in');
    }, { colorScheme, reducedMotion: 'reduce', viewport: { width: 1280, height: 800 } });
  }
});
