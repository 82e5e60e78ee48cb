// The sign-in against a provider that the OpenID Foundation has certified: npm's oidc-provider. A friendly peer, and strict.
//
//   npm ci && node --test provider.mjs

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { START_MS } from '../../support/examples.mjs';
import { ID_TOKEN_ALGORITHMS, KEY_ALGORITHMS } from './clients.mjs';
import { startBoth } from './portal.mjs';
import { Visitor } from './visitor.mjs';

const ADA = 'user:default/ada';
let both;

before(async () => {
  both = await startBoth();
}, { timeout: START_MS });

after(() => both?.stop());

// ===== what a person does =====

const at = (path) => `${both.url}${path}`;

const begin = (id, more = {}) => {
  const query = new URLSearchParams({ env: 'development', flow: 'redirect', redirectUrl: at('/'), ...more });
  return at(`/api/auth/${id}/start?${query}`);
};

async function subject(visitor) {
  const answer = await visitor.send(at('/api/whoami'));
  return answer.status === 200 ? answer.json().subject : null;
}

/** Signs Ada in: where her browser has been. */
async function signsIn(id, more, visitor = new Visitor()) {
  both.friend.forget();
  const { visited } = await visitor.go(begin(id, more));
  assert.equal(visited.at(-1), at('/'), `${visited.join('\n')}\n${both.log().split('\n').slice(-6).join('\n')}`);
  assert.equal(await subject(visitor), ADA);
  assert.deepEqual(both.friend.faults, []);
  return { visitor, visited };
}

/** Signs in, which the portal refuses, and the operator reads why. */
async function isRefused(id, because) {
  const visitor = new Visitor();
  const { visited } = await visitor.go(begin(id));
  assert.match(visited.at(-1), /\/\?error=/);
  assert.equal(await subject(visitor), null);
  assert.match(both.log(), because);
}

const call = (visitor, id, what, method) =>
  visitor.call(at(`/api/auth/${id}/${what}?env=development`), { method });

const authorizationRequest = (visited) => {
  const url = visited.find((address) => address.startsWith(`${both.friend.issuer}/auth?`));
  return Object.fromEntries(new URL(url).searchParams);
};

// ===== the tests =====

describe('a certified provider', { timeout: 3 * 60_000 }, () => {
  describe('knows the client', () => {
    test('by a secret in a header, whatever is in it', async () => {
      await signsIn('basic');
      const [token] = both.friend.asked('/token');
      assert.equal(token.client, 'basic');
      assert.match(token.authorization, /^Basic /);
      assert.equal(token.body.client_secret, undefined);
    });

    test('by a secret in the body', async () => {
      await signsIn('post');
      const [token] = both.friend.asked('/token');
      assert.equal(token.authorization, '');
      assert.ok(token.body.client_secret);
    });

    for (const alg of KEY_ALGORITHMS) {
      test(`by a signature of ${alg}`, async () => {
        await signsIn(`key-${alg}`);
        const [token] = both.friend.asked('/token');
        assert.equal(token.client, `key-${alg}`);
        assert.equal(token.body.client_assertion_type, 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
        const [header] = token.body.client_assertion.split('.').map((part) => Buffer.from(part, 'base64url'));
        assert.deepEqual(JSON.parse(header), { alg, typ: 'JWT', kid: `our-${alg}` });
        assert.equal(token.body.client_secret, undefined);
      });
    }
  });

  test('is asked with a challenge, a state and a nonce', async () => {
    const { visited } = await signsIn('not-pushed');
    const request = authorizationRequest(visited);
    assert.equal(request.code_challenge_method, 'S256');
    for (const name of ['code_challenge', 'state', 'nonce']) assert.equal(request[name].length, 43, name);
    const [token] = both.friend.asked('/token');
    assert.equal(token.body.code_verifier.length, 43);
    const back = visited.find((address) => address.includes('/handler/frame'));
    assert.equal(new URL(back).searchParams.get('iss'), both.friend.issuer, 'and says who it is (RFC 9207)');
  });

  describe('signs ID tokens', () => {
    for (const alg of ID_TOKEN_ALGORITHMS) {
      test(`with ${alg}, which is believed, and so it is if nothing else is`, async () => {
        await signsIn(`any-${alg}`);
        await signsIn(`only-${alg}`);
      });
    }

    test('with another algorithm than was agreed on, which is not believed', () =>
      isRefused('other-alg', /its algorithm is not one that was agreed on/));
  });

  test('renews a session by tokens that are good once, until the grant ends', async () => {
    const { visitor } = await signsIn('offline');
    const used = [];
    let authorization;
    for (let i = 0; i < 3; i += 1) {
      both.friend.forget();
      const answer = await call(visitor, 'offline', 'refresh', 'GET');
      assert.equal(answer.status, 200, answer.text);
      const session = answer.json();
      assert.equal(session.backstageIdentity.identity.userEntityRef, ADA);
      const [token] = both.friend.asked('/token');
      assert.equal(token.body.grant_type, 'refresh_token');
      used.push(token.body.refresh_token);
      authorization = token.authorization;
    }
    assert.equal(new Set(used).size, 3, 'each is another');
    // Using one again is theft to the provider: it ends the grant.
    const stolen = await new Visitor().send(`${both.friend.issuer}/token`, {
      method: 'POST',
      headers: { authorization },
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: used[0] }),
    });
    assert.equal(stolen.json().error, 'invalid_grant');
    const answer = await call(visitor, 'offline', 'refresh', 'GET');
    assert.equal(answer.status, 401);
    assert.equal(await subject(visitor), null);
  });

  test('is signed out of as well, and the grant ends', async () => {
    const { visitor } = await signsIn('offline');
    const answer = await call(visitor, 'offline', 'logout', 'POST');
    const { logoutUrl } = answer.json();
    const query = new URL(logoutUrl).searchParams;
    assert.equal(query.get('client_id'), 'offline');
    assert.equal(query.get('post_logout_redirect_uri'), at('/'));
    assert.equal(query.get('id_token_hint').split('.').length, 3);
    assert.equal(await subject(visitor), null);
    // The provider's page, and its form.
    const page = await visitor.go(logoutUrl);
    const [, xsrf] = /name="xsrf" value="([^"]+)"/.exec(page.answer.text);
    const { visited } = await visitor.go(`${both.friend.issuer}/session/end/confirm`, {
      method: 'POST',
      body: new URLSearchParams({ xsrf, logout: 'yes' }),
    });
    assert.equal(visited.at(-1), at('/'));
    const revoked = both.friend.asked('/token/revocation');
    assert.equal(revoked.length, 1);
    assert.equal(revoked[0].status, 200);
    // Whoever comes next has to sign in there again.
    const again = await visitor.go(begin('offline'));
    assert.ok(again.visited.some((address) => address.includes('/interaction/')));
  });

  describe('takes requests that are pushed', () => {
    for (const id of ['pushed', 'key-ES256']) {
      test(`from ${id}, and the browser carries a handle`, async () => {
        const { visited } = await signsIn(id);
        const request = authorizationRequest(visited);
        assert.deepEqual(Object.keys(request).sort(), ['client_id', 'request_uri']);
        assert.match(request.request_uri, /^urn:ietf:params:oauth:request_uri:/);
      });
    }

    test('and others where that is declined', async () => {
      const { visited } = await signsIn('not-pushed');
      assert.ok(authorizationRequest(visited).redirect_uri);
      assert.deepEqual(both.friend.asked('/request'), []);
    });
  });

  test('posts its answer as a form', async () => {
    const visitor = new Visitor();
    const { visited, answer } = await visitor.go(begin('form'));
    assert.ok(visited.every((address) => !address.includes('code=')));
    const page = answer.text;
    const [, action] = /action="([^"]+)"/.exec(page);
    assert.equal(action, at('/api/auth/form/handler/frame'));
    const fields = [...page.matchAll(/name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]) => [name, value]);
    const options = { method: 'POST', body: new URLSearchParams(fields) };
    const back = await visitor.send(action, options);
    assert.equal(back.status, 303, 'what the form held goes no further');
    assert.equal(back.location, at('/'));
    assert.equal(await subject(visitor), ADA);
  });

  test('signs what it says of people, and has to where that is wanted', async () => {
    await signsIn('signed');
    await isRefused('unsigned', /userinfo: the answer is not signed/);
  });

  test('is believed about when and how somebody signed in, and not if it is otherwise than was asked for', async () => {
    await signsIn('strong');
    const [request] = both.friend.asked('/request');
    assert.equal(request.body.max_age, '300');
    assert.equal(request.body.acr_values, 'phr');
    await isRefused('stronger', /did not sign in as was asked for \(acr\)/);
  });

  test('hears whom to expect, and may begin a sign-in itself', async () => {
    await signsIn('basic', { login_hint: 'ada@example.com' });
    assert.equal(both.friend.asked('/request')[0].body.login_hint, 'ada@example.com');

    const visitor = new Visitor();
    const target = at('/?view=team');
    const query = new URLSearchParams({ iss: both.friend.issuer, login_hint: 'ada', target_link_uri: target });
    const { visited } = await visitor.go(at(`/api/auth/basic/initiate?${query}`));
    assert.equal(visited.at(-1), target);
    assert.equal(await subject(visitor), ADA);
    query.set('iss', 'https://evil.test');
    const stranger = await new Visitor().send(at(`/api/auth/basic/initiate?${query}`));
    assert.equal(stranger.status, 403);
    assert.deepEqual(stranger.cookies, []);
  });
});
