// What the real code makes of everything that is not a sign-in.

import assert from 'node:assert/strict';

import { call, callWithPopup, chooseAda, get, open, refuse, signInByPopup, visitor } from '../browser.mjs';

const INSTANTLY = { instantPopup: true };

/** Chromium says twice that a page was kept from an answer. */
const BLOCKED_BY_CORS = [/blocked by CORS policy/, /\/refresh\?.*net::ERR_FAILED/];

export function refusals(arrangement) {
  for (const provider of ['github', 'corp']) {
    visitor(arrangement, `${provider}: a popup that is closed is a PopupClosedError`, async (page) => {
      const { popup, answer } = await callWithPopup(page, provider, 'getBackstageIdentity', INSTANTLY);
      await popup.getByRole('heading', { name: 'Who is signing in?' }).waitFor();
      await popup.close();
      assert.deepEqual((await answer).error, {
        name: 'PopupClosedError',
        message: 'Login failed, popup was closed',
      });
      await signInByPopup(page, provider);
    });

    visitor(arrangement, `${provider}: who refuses at the provider is told so`, async (page) => {
      const { popup, answer } = await callWithPopup(page, provider, 'getBackstageIdentity', INSTANTLY);
      const closed = popup.waitForEvent('close');
      await refuse(popup);
      const { error } = await answer;
      assert.match(error.message, /^Authentication rejected/);
      await closed;
      assert.equal(await get(page, provider, 'getBackstageIdentity', { optional: true }), undefined);
    });

    visitor(arrangement, `${provider}: somebody the catalog does not know is told so`, async (page) => {
      const { popup, answer } = await callWithPopup(page, provider, 'getBackstageIdentity', INSTANTLY);
      await popup.getByRole('button', { name: 'Mallory' }).click();
      const { error } = await answer;
      assert.match(error.message, provider === 'corp' ? /email/ : /unable to resolve user identity/);
      assert.equal(await get(page, provider, 'getBackstageIdentity', { optional: true }), undefined);
    });
  }

  visitor(arrangement, 'a popup that the browser blocks is a PopupRejectedError', async (page) => {
    // Every script of a test counts as a click, so the page itself has to do it, and has to tell.
    await page.addInitScript(() => {
      const timer = setInterval(() => {
        if (!window.backstage) return;
        clearInterval(timer);
        window.backstage.corp
          .getBackstageIdentity({ instantPopup: true })
          .then(() => 'no error', (error) => `${error.name}: ${error.message}`)
          .then((outcome) => console.log(`outcome ${outcome}`));
      }, 10);
    });
    const telling = page.waitForEvent('console', (message) => message.text().startsWith('outcome '));
    await page.goto('/');
    assert.equal((await telling).text(), 'outcome PopupRejectedError: Failed to open auth popup.');
  });

  visitor(arrangement, 'a page of another origin gets no further than the first step', async (page) => {
    await open(page, `${arrangement.strangerOrigin}/`);
    const { popup, answer } = await callWithPopup(page, 'corp', 'getBackstageIdentity', INSTANTLY);
    await popup.getByRole('heading', { name: 'Signing in did not work' }).waitFor();
    await popup.getByText('Origin is not allowed').waitFor();
    await popup.close();
    assert.equal((await answer).error.message, 'Login failed, popup was closed');
  }, { expected: [/\/start\?.* 403 /, ...BLOCKED_BY_CORS] });

  visitor(arrangement, 'a page of another origin is not where a redirect comes back to', async (page) => {
    await open(page, `${arrangement.strangerOrigin}/redirect/`);
    await page.evaluate(() => {
      void window.backstage.corp.getBackstageIdentity({ instantPopup: true });
    });
    await page.getByRole('heading', { name: 'Signing in did not work' }).waitFor();
  }, { expected: [/\/start\?.* 403 /, ...BLOCKED_BY_CORS] });

  if (arrangement.separate) {
    visitor(arrangement, 'a page of another origin that hides it learns which is expected', async (page, context) => {
      // As behind a proxy that drops the parameter: the portal then takes the page for its own.
      await context.route(/\/start\?/, (route) => {
        const url = new URL(route.request().url());
        url.searchParams.delete('origin');
        return route.continue({ url: url.href });
      });
      await open(page, `${arrangement.strangerOrigin}/`);
      const { popup, answer } = await callWithPopup(page, 'corp', 'getBackstageIdentity', INSTANTLY);
      await chooseAda(popup);
      assert.deepEqual((await answer).error, {
        name: 'PopupClosedError',
        message: `Login failed, Incorrect app origin, expected ${arrangement.pageOrigin}`,
      });
    }, { expected: [/postMessage.*target origin/, ...BLOCKED_BY_CORS] });
  }

  visitor(arrangement, 'a provider that the portal does not have is no session', async (page) => {
    assert.equal(await get(page, 'google', 'getBackstageIdentity', { optional: true }), undefined);
    assert.deepEqual((await call(page, 'google', 'signOut')).error.message, 'Logout request failed, Not Found');
  }, { expected: [/\/api\/auth\/google\/.* 404 /] });
}
