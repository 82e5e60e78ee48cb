// GitHub names fewer scopes than it grants, and Backstage's frontend wants those that it asked for.

import assert from 'node:assert/strict';

import { ADA, callWithPopup, chooseAda, get, later, ready, signInByPopup, visitor, whois } from '../browser.mjs';

export function github(arrangement) {
  visitor(arrangement, 'an OAuth app is asked once for scopes that GitHub sums up in one', async (page) => {
    const scopes = ['user', 'read:user'];
    const { popup, answer } = await callWithPopup(page, 'github', 'getAccessToken', scopes, { instantPopup: true });
    await chooseAda(popup);
    const { value: token } = await answer;
    assert.ok(token);
    assert.equal(await get(page, 'github', 'getAccessToken', scopes, { optional: true }), token);
    await page.reload();
    await ready(page);
    assert.ok(await get(page, 'github', 'getAccessToken', scopes, { optional: true }), 'after a reload');
  });

  visitor(arrangement, 'a GitHub App, which has no scopes, is asked once, and renewed', async (page, context) => {
    const { token } = await signInByPopup(page, 'githubApp');
    assert.equal(await whois(arrangement, token), ADA.userEntityRef);
    assert.ok(await get(page, 'githubApp', 'getAccessToken', 'read:user', { optional: true }));
    const renewal = await renewalOf(context);
    await later(page, 58);
    const renewed = await get(page, 'githubApp', 'getBackstageIdentity', { optional: true });
    assert.notEqual(renewed.token, token);
    assert.notEqual(await renewalOf(context), renewal, 'a new refresh token, for the old is used up');
    await page.reload();
    await ready(page);
    assert.ok(await get(page, 'githubApp', 'getAccessToken', 'read:user', { optional: true }), 'after a reload');
  });
}

async function renewalOf(context) {
  const cookies = await context.cookies();
  return cookies.find(({ name }) => name === 'github-app-refresh-token').value;
}
