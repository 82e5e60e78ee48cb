// Several tabs of one browser, which share the cookies and know nothing of each other.

import assert from 'node:assert/strict';

import { ADA, callWithPopup, chooseAda, get, later, open, ready, signInByPopup, visitor, whois } from '../browser.mjs';

const ROUNDS = 4;

export function tabs(arrangement) {
  for (const provider of ['github', 'corp']) {
    // The testing provider rotates: a refresh token that is used twice ends its session there.
    visitor(arrangement, `${provider}: two tabs renew at once, again and again`, async (page, context) => {
      await signInByPopup(page, provider);
      const other = await context.newPage();
      await Promise.all([open(other, '/'), page.reload()]);
      await ready(page);
      const both = [page, other];
      const identities = () => Promise.all(
        both.map((tab) => get(tab, provider, 'getBackstageIdentity', { optional: true })),
      );
      let known = await identities();
      for (let round = 1; round <= ROUNDS; round += 1) {
        await Promise.all(both.map((tab) => later(tab, 58)));
        const renewed = await identities();
        for (const [tab, session] of renewed.entries()) {
          assert.equal(session?.identity.userEntityRef, ADA.userEntityRef, `tab ${tab}, round ${round}`);
          assert.notEqual(session.token, known[tab].token);
          assert.equal(await whois(arrangement, session.token), ADA.userEntityRef);
        }
        known = renewed;
      }
    });
  }

  visitor(arrangement, 'two tabs sign in at once, and the first to begin is the last to end', async (page, context) => {
    const other = await context.newPage();
    await open(other, '/');
    const first = await callWithPopup(page, 'corp', 'getBackstageIdentity', { instantPopup: true });
    const second = await callWithPopup(other, 'corp', 'getBackstageIdentity', { instantPopup: true });
    await chooseAda(second.popup);
    assert.equal((await second.answer).value.identity.userEntityRef, ADA.userEntityRef);
    await chooseAda(first.popup);
    assert.equal((await first.answer).value.identity.userEntityRef, ADA.userEntityRef);
    for (const tab of [page, other]) {
      await tab.reload();
      await ready(tab);
      assert.ok(await get(tab, 'corp', 'getBackstageIdentity', { optional: true }));
    }
  });

  visitor(arrangement, 'who signs out in one tab is signed out in the other at its next renewal', async (page, context) => {
    await signInByPopup(page, 'corp');
    const other = await context.newPage();
    await open(other, '/');
    assert.ok(await get(other, 'corp', 'getBackstageIdentity', { optional: true }));
    await get(page, 'corp', 'signOut');
    await later(other, 58);
    assert.equal(await get(other, 'corp', 'getBackstageIdentity', { optional: true }), undefined);
  });
}
