// What becomes of a session: it is found again, renewed, widened and ended.

import assert from 'node:assert/strict';

import {
  ADA,
  call,
  callWithPopup,
  chooseAda,
  get,
  later,
  ready,
  replay,
  signInByPopup,
  visitor,
  whois,
} from '../browser.mjs';

/** Shortly before the end of an hour: the real code renews three minutes before. */
const ALMOST_AN_HOUR = 58;
/** A scope that nobody asks for by default. */
const MORE = { github: 'repo', corp: 'calendar' };

export function session(arrangement) {
  for (const provider of ['github', 'corp']) {
    visitor(arrangement, `${provider} is signed in again after a reload, without a popup`, async (page) => {
      const first = await signInByPopup(page, provider);
      await page.reload();
      await ready(page);
      const again = await get(page, provider, 'getBackstageIdentity', { optional: true });
      assert.deepEqual(again.identity, first.identity);
      assert.notEqual(again.token, first.token);
      assert.equal(await whois(arrangement, again.token), ADA.userEntityRef);
      assert.equal((await get(page, provider, 'getProfile')).email, ADA.email);
      assert.ok(await get(page, provider, 'getAccessToken'), 'an access token of the provider');
    });

    visitor(arrangement, `${provider}'s session is renewed before it ends`, async (page) => {
      const first = await signInByPopup(page, provider);
      const kept = await get(page, provider, 'getBackstageIdentity');
      assert.equal(kept.token, first.token, 'nothing is asked for while there is time');
      await later(page, ALMOST_AN_HOUR);
      const renewed = await get(page, provider, 'getBackstageIdentity', { optional: true });
      assert.notEqual(renewed.token, first.token);
      assert.equal(await whois(arrangement, renewed.token), ADA.userEntityRef);
    });

    visitor(arrangement, `${provider} grants more scopes when asked, and they last`, async (page) => {
      await signInByPopup(page, provider);
      const more = MORE[provider];
      assert.equal(await get(page, provider, 'getAccessToken', [more], { optional: true }), '');

      const { popup, answer } = await callWithPopup(page, provider, 'getAccessToken', [more], {
        instantPopup: true,
      });
      await chooseAda(popup);
      const { value: token } = await answer;
      assert.ok((await scopesOf(arrangement, provider, token)).includes(more));

      await later(page, ALMOST_AN_HOUR);
      const renewed = await get(page, provider, 'getAccessToken', [more], { optional: true });
      assert.ok((await scopesOf(arrangement, provider, renewed)).includes(more), 'after a renewal');
      await page.reload();
      await ready(page);
      const reloaded = await get(page, provider, 'getAccessToken', [more], { optional: true });
      assert.ok((await scopesOf(arrangement, provider, reloaded)).includes(more), 'after a reload');
    });

    visitor(arrangement, `${provider} signs out, and the session is dead`, async (page, context) => {
      await signInByPopup(page, provider);
      const before = await context.cookies();
      assert.equal((await replay(arrangement, before, '/api/whoami')).status, 200);
      await get(page, provider, 'signOut');
      assert.equal(await get(page, provider, 'getBackstageIdentity', { optional: true }), undefined);
      await page.reload();
      await ready(page);
      assert.equal(await get(page, provider, 'getBackstageIdentity', { optional: true }), undefined);
      // Nor is a copy of its cookie good for anything.
      assert.equal((await replay(arrangement, before, '/api/whoami')).status, 401);
    });
  }

  // A matter of cookies: once is enough.
  if (!arrangement.separate) {
    visitor(arrangement, 'corp signs out, and a copy of the refresh cookie is dead, too', async (page, context) => {
      await signInByPopup(page, 'corp');
      const before = await context.cookies();
      await get(page, 'corp', 'signOut');
      const path = '/api/auth/corp/refresh?env=development';
      assert.equal((await replay(arrangement, before, path)).status, 401);
    });
  }

  visitor(arrangement, 'the app asks in its own dialog before it opens a popup', async (page) => {
    await signInByPopup(page, 'github');
    const answer = call(page, 'github', 'getAccessToken', 'repo');
    const dialog = page.getByRole('dialog', { name: 'Login Required' });
    const opening = page.waitForEvent('popup');
    await dialog.getByRole('button', { name: 'Log in' }).click();
    await chooseAda(await opening);
    const { value: token } = await answer;
    assert.ok((await scopesOf(arrangement, 'github', token)).includes('repo'));
    await dialog.waitFor({ state: 'hidden' });
  });

  visitor(arrangement, 'two providers are signed in side by side, and one can leave', async (page) => {
    await signInByPopup(page, 'corp');
    await signInByPopup(page, 'github');
    await page.reload();
    await ready(page);
    for (const provider of ['corp', 'github']) {
      const { identity } = await get(page, provider, 'getBackstageIdentity', { optional: true });
      assert.equal(identity.userEntityRef, ADA.userEntityRef);
    }
    await get(page, 'github', 'signOut');
    await page.reload();
    await ready(page);
    assert.equal(await get(page, 'github', 'getBackstageIdentity', { optional: true }), undefined);
    assert.ok(await get(page, 'corp', 'getBackstageIdentity', { optional: true }));
  });
}

/** What a provider's access token is good for: GitHub says it in a header, the other in the token. */
async function scopesOf({ providerUrl }, provider, token) {
  assert.ok(token, 'an access token');
  if (provider === 'corp') {
    return JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).scope.split(' ');
  }
  const answer = await fetch(`${providerUrl}/api/v3/user`, { headers: { authorization: `Bearer ${token}` } });
  return answer.headers.get('x-oauth-scopes').split(', ');
}
