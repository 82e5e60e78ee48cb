// Signing in by popup, and what the session is good for.

import assert from 'node:assert/strict';

import { ADA, get, open, ready, signInByPopup, visitor, whois } from '../browser.mjs';

export function popup(arrangement) {
  for (const provider of ['github', 'corp']) {
    visitor(arrangement, `${provider} signs in by popup`, async (page) => {
      const signedIn = await signInByPopup(page, provider);
      assert.deepEqual(signedIn.identity, {
        type: 'user',
        userEntityRef: ADA.userEntityRef,
        ownershipEntityRefs: ADA.ownershipEntityRefs,
      });
      const profile = await get(page, provider, 'getProfile');
      assert.equal(profile.displayName, ADA.name);
      assert.equal(profile.email, ADA.email);
      assert.match(profile.picture, /\/avatars\//);
      assert.ok(await get(page, provider, 'getAccessToken'), 'an access token of the provider');
      assert.equal(await whois(arrangement, signedIn.token), ADA.userEntityRef);
    });
  }

  visitor(arrangement, 'corp gives an ID token', async (page) => {
    await signInByPopup(page, 'corp');
    const token = await get(page, 'corp', 'getIdToken');
    const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
    assert.equal(claims.sub, 'user-ada');
  });

  // At one origin the sister is a second name for the whole portal, whose callback has the first: the popup
  // ends at another origin than it began at, and the real code does not listen to it.
  if (arrangement.separate) {
    visitor(arrangement, 'a page of another origin that is allowed signs in like the portal\'s own', async (page) => {
      await open(page, `${arrangement.sisterOrigin}/`);
      const { identity } = await signInByPopup(page, 'corp');
      assert.equal(identity.userEntityRef, ADA.userEntityRef);
      await page.reload();
      await ready(page);
      assert.ok(await get(page, 'corp', 'getBackstageIdentity', { optional: true }));
    });
  }
}
