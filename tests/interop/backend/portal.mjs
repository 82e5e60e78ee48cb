// Our portal as the auth-backend of Backstage's own backend, which has none: its plugins must believe
// our tokens by our key set, and read from our /v1/userinfo who owns what.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { DefaultIdentityClient, IdentityClient } from '@backstage/plugin-auth-node';

import { startBackend } from './support/backend.mjs';
import { signIn } from './support/browser.mjs';
import { startPlugin, startPortal } from './support/rust.mjs';
import {
  ask,
  callPlugin,
  claims,
  cookie,
  header,
  limitedOf,
  limitedToken,
  pluginToken,
  SEGMENTS,
  tampered,
  whoIs,
} from './support/tokens.mjs';

const ADA = 'user:default/ada';
const OWNERSHIP = [ADA, 'group:default/analysts'];

let portal;
let backend;
let token;

before(async () => {
  portal = await startPortal();
  backend = await startBackend({ authUrl: portal.issuer });
  token = await signIn(portal);
});

after(async () => {
  await backend?.stop();
  await portal?.stop();
});

const userInfo = async (who, plugin = 'report') => {
  const { status, body } = await ask(`${backend.url}/api/${plugin}/user-info`, who);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
};

describe('our user token at the real backend', () => {
  test('is its user, for as long as it says', async () => {
    const { status, principal, expiresAt } = await whoIs(backend, token);
    assert.equal(status, 200);
    assert.deepEqual(principal, { type: 'user', userEntityRef: ADA });
    assert.equal(Date.parse(expiresAt) / 1000, claims(token).exp);
  });

  test('passes the default policy', async () => {
    assert.equal((await ask(`${backend.url}/api/report/strict`, token)).status, 200);
  });

  test('says what its user owns', async () => {
    assert.deepEqual(await userInfo(token), { userEntityRef: ADA, ownershipEntityRefs: OWNERSHIP });
  });

  test('is as good from another provider and for another person', async () => {
    const grace = await signIn(portal, 'grace', 'github');
    assert.deepEqual(await userInfo(grace), {
      userEntityRef: 'user:default/grace',
      ownershipEntityRefs: ['user:default/grace', 'group:default/compilers'],
    });
  });

  SEGMENTS.forEach((name, segment) =>
    test(`is refused with one byte of its ${name} changed`, async () => {
      const { status, error } = await whoIs(backend, tampered(token, segment));
      assert.equal(status, 401);
      assert.equal(error.name, 'AuthenticationError');
    }));

  test('has its members in the order of Backstage', () => {
    assert.deepEqual(Object.keys(header(token)), ['typ', 'alg', 'kid']);
    assert.deepEqual(Object.keys(claims(token)), ['iss', 'sub', 'ent', 'aud', 'iat', 'exp', 'uip']);
  });
});

describe('the limited token that the real backend makes of ours', () => {
  test('is the one that our `uip` signs', async () => {
    assert.equal(await limitedToken(backend, token), limitedOf(token));
  });

  test('is our user where cookies are accepted, by cookie and by header', async () => {
    const at = `${backend.url}/api/report/cookie`;
    const expected = { type: 'user', userEntityRef: ADA };
    const headers = { cookie: await cookie(backend, token) };
    const byCookie = await ask(at, undefined, { headers });
    assert.deepEqual(byCookie.body.principal, expected);
    const byHeader = await ask(at, await limitedToken(backend, token));
    assert.deepEqual(byHeader.body.principal, expected);
  });

  test('is refused elsewhere', async () => {
    const { status, body } = await ask(
      `${backend.url}/api/report/strict`,
      await limitedToken(backend, token),
    );
    assert.equal(status, 401);
    assert.equal(body.error.message, 'Illegal limited user token');
  });

  SEGMENTS.forEach((name, segment) =>
    test(`is refused with one byte of its ${name} changed`, async () => {
      const limited = tampered(await limitedToken(backend, token), segment);
      assert.equal((await ask(`${backend.url}/api/report/cookie`, limited)).status, 401);
    }));

  test('finds out at our /v1/userinfo what its user owns', async () => {
    const limited = await limitedToken(backend, token);
    assert.equal(claims(limited).ent, undefined, 'it cannot know by itself');
    assert.deepEqual((await userInfo(limited)).ownershipEntityRefs, OWNERSHIP);
  });
});

describe('a plugin that calls another on behalf of our user', () => {
  const onBehalf = { type: 'user', userEntityRef: ADA, actor: { type: 'service', subject: 'plugin:report' } };

  test('is let in as our user', async () => {
    const { status, body } = await callPlugin(backend, 'relay', '/strict', { token });
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body.principal, onBehalf);
  });

  test('has what our user owns', async () => {
    const { status, body } = await callPlugin(backend, 'relay', '/user-info', { token });
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body, { userEntityRef: ADA, ownershipEntityRefs: OWNERSHIP });
  });

  test('acts no longer than our user may', async () => {
    const issued = await pluginToken(backend, 'relay', { token });
    assert.ok(claims(issued).exp <= claims(token).exp);
  });
});

describe('the identity client of old plugins', () => {
  const clientOf = (Client) =>
    Client.create({ issuer: portal.issuer, discovery: { getBaseUrl: async () => portal.issuer } });
  const identity = { type: 'user', userEntityRef: ADA, ownershipEntityRefs: OWNERSHIP };

  test('knows our user by a request', async () => {
    const request = { headers: { authorization: `Bearer ${token}` } };
    const found = await clientOf(DefaultIdentityClient).getIdentity({ request });
    assert.deepEqual(found.identity, identity);
  });

  test('knows our user by a token, in the oldest form of all', async () => {
    assert.deepEqual((await clientOf(IdentityClient).authenticate(token)).identity, identity);
  });

  SEGMENTS.forEach((name, segment) =>
    test(`refuses a changed ${name}`, async () => {
      await assert.rejects(clientOf(DefaultIdentityClient).authenticate(tampered(token, segment)));
    }));
});

test('a real backend and a plugin of ours notice the new keys of a portal that was restarted', async () => {
  const plugin = await startPlugin(portal.issuer);
  try {
    const { port } = portal;
    await portal.stop();
    assert.equal((await whoIs(backend, token)).status, 200, 'known keys serve while it is away');
    portal = await startPortal({ port });
    const fresh = await signIn(portal);
    assert.notEqual(header(fresh).kid, header(token).kid);
    assert.equal((await whoIs(backend, fresh)).status, 200);
    assert.equal((await ask(`${plugin.url}/whoami`, fresh)).status, 200);
    assert.equal((await whoIs(backend, token)).status, 401, 'the old key is published no more');
  } finally {
    await plugin.stop();
  }
});
