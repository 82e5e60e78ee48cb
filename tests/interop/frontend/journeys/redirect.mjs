// `enableExperimentalRedirectFlow`: the page itself goes to the provider and comes back.

import assert from 'node:assert/strict';

import { ADA, chooseAda, get, ready, refuse, visitor, whois } from '../browser.mjs';

const path = '/redirect/catalog?filters[kind]=component#about';

export function redirect(arrangement) {
  for (const provider of ['github', 'corp']) {
    visitor(arrangement, `${provider} signs in by redirect, back to the page that was left`, async (page) => {
      await leave(page, provider);
      await chooseAda(page);
      await page.waitForURL((url) => url.origin === arrangement.pageOrigin);
      await ready(page);
      assert.equal(page.url(), new URL(path, arrangement.pageOrigin).href);
      const { identity, token } = await get(page, provider, 'getBackstageIdentity', { optional: true });
      assert.deepEqual(identity.ownershipEntityRefs, ADA.ownershipEntityRefs);
      assert.equal(await whois(arrangement, token), ADA.userEntityRef);
    }, { path });

    visitor(arrangement, `${provider}'s failed redirect comes back with the error`, async (page) => {
      await leave(page, provider);
      await refuse(page);
      await page.waitForURL((url) => url.origin === arrangement.pageOrigin);
      // The app's own sign-in page says it.
      await page.getByText('Error: Authentication rejected').waitFor();
      const { searchParams, hash } = new URL(page.url());
      assert.deepEqual([...searchParams], [
        ['filters[kind]', 'component'],
        ['error', 'Authentication rejected'],
      ]);
      assert.equal(hash, '#about');
    }, { path });
  }

  visitor(arrangement, 'a page that is the only sign-in page signs in by redirect, too', async (page) => {
    await page.getByRole('button', { name: 'Sign In' }).click();
    await chooseAda(page);
    await page.getByRole('heading', { name: ADA.userEntityRef }).waitFor();
  }, { path: '/redirect/single/' });
}

/** Starts; the page is gone before it could answer. */
async function leave(page, provider) {
  await page.evaluate((id) => {
    void window.backstage[id].getBackstageIdentity({ instantPopup: true });
  }, provider);
  await page.getByRole('heading', { name: 'Who is signing in?' }).waitFor();
}
