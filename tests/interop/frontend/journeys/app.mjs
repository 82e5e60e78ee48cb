// The app as people see it: Backstage's sign-in pages, and an app behind them that calls the API.

import assert from 'node:assert/strict';

import { ADA, chooseAda, refuse, visitor } from '../browser.mjs';

const GUEST = 'user:default/guest';

export function app(arrangement) {
  for (const title of ['GitHub', 'Corp']) {
    visitor(arrangement, `the sign-in page signs in with ${title}, keeps it over a reload, and signs out`, async (page) => {
      const opening = page.waitForEvent('popup');
      await card(page, title).getByRole('button', { name: 'Sign In' }).click();
      await chooseAda(await opening);
      await seesHome(page, ADA.userEntityRef);
      assert.equal(await asksTheApi(page), ADA.userEntityRef);

      await page.reload();
      await seesHome(page, ADA.userEntityRef);
      assert.equal(await asksTheApi(page), ADA.userEntityRef);

      await page.getByRole('button', { name: 'Sign out' }).click();
      await card(page, title).waitFor();
      await page.reload();
      await card(page, title).waitFor();
    });
  }

  visitor(arrangement, 'the sign-in page says what went wrong', async (page) => {
    const opening = page.waitForEvent('popup');
    await card(page, 'Corp').getByRole('button', { name: 'Sign In' }).click();
    await refuse(await opening);
    await page.getByText(/Login failed; caused by .*Authentication rejected/).waitFor();
  });

  visitor(arrangement, 'a guest enters, and is a guest still after a reload', async (page) => {
    await card(page, 'Guest').getByRole('button', { name: 'Enter' }).click();
    await seesHome(page, GUEST);
    assert.equal(await asksTheApi(page), GUEST);
    await page.reload();
    await seesHome(page, GUEST);
  });

  visitor(arrangement, 'the page for proxies signs in without a click', async (page) => {
    await seesHome(page, GUEST);
    assert.equal(await asksTheApi(page), GUEST);
    const { displayName } = await page.evaluate(() => window.backstage.identity.getProfileInfo());
    assert.equal(displayName, 'Guest');
  }, { path: '/proxied/' });

  // `NotFoundError` is how the real code tells a provider that is not installed from one that fails.
  visitor(arrangement, 'the page for proxies knows a provider that is not there', async (page) => {
    await page.getByRole('alert').filter({ hasText: 'ResponseError, NotFoundError: Request failed with 404' }).waitFor();
  }, { path: '/absent/', expected: [/\/api\/auth\/absent\/refresh .* 404 /] });
}

const card = (page, title) =>
  page.getByRole('listitem').filter({ has: page.getByText(title, { exact: true }) });

const seesHome = (page, who) => page.getByRole('heading', { name: who }).waitFor();

/** By the app's own `fetchApi`, which adds the token. */
const asksTheApi = (page) => page.evaluate(async () => {
  const answer = await window.backstage.fetch(`${window.backstage.backend}/api/whoami`, { credentials: 'omit' });
  return (await answer.json()).subject;
});
