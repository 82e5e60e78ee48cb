// Backstage's own tokens: its backend signs a guest in, and our plugin knows who that is.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { GUEST, startBackend } from './support/backend.mjs';
import { startPlugin } from './support/rust.mjs';
import {
  ask,
  callPlugin,
  claims,
  cookie,
  guestToken,
  limitedToken,
  pluginToken,
  SEGMENTS,
  tampered,
  whoIs,
} from './support/tokens.mjs';

/** Both sides ask for an unknown key at most this often. */
const COOLDOWN_MS = 30_000;

let backend;
let plugin;
let token;

before(async () => {
  backend = await startBackend();
  plugin = await startPlugin(backend.issuer);
  token = await guestToken(backend);
});

after(async () => {
  await plugin?.stop();
  await backend?.stop();
});

const whoami = (who) => ask(`${plugin.url}/whoami`, who);

describe('a user token of the real backend at our plugin', () => {
  test('says who its user is, until when, and by whom', async () => {
    const { status, body } = await whoami(token);
    assert.equal(status, 200);
    assert.equal(body.principal, 'user');
    assert.equal(body.subject, GUEST.subject);
    assert.equal(body.issuer, backend.issuer);
    assert.equal(Date.parse(body.expiresAt) / 1000, claims(token).exp);
  });

  SEGMENTS.forEach((name, segment) =>
    test(`is refused with one byte of its ${name} changed, there as here`, async () => {
      const broken = tampered(token, segment);
      assert.equal((await whoami(broken)).status, 401);
      assert.equal((await whoIs(backend, broken)).status, 401);
    }));

  test('is refused by a plugin of another issuer', async () => {
    const stranger = await startPlugin(`${plugin.url}/api/auth`);
    try {
      assert.equal((await ask(`${stranger.url}/whoami`, token)).status, 401);
    } finally {
      await stranger.stop();
    }
  });

  test('cannot be replaced by the limited token made of it', async () => {
    const limited = await limitedToken(backend, token);
    assert.equal((await whoami(limited)).status, 401);
    assert.equal((await ask(`${backend.url}/api/report/strict`, limited)).status, 401);
  });
});

describe('what the real backend says of its own tokens', () => {
  const user = { type: 'user', userEntityRef: GUEST.subject };

  test('the user token is the user', async () => {
    assert.deepEqual((await whoIs(backend, token)).principal, user);
  });

  test('the limited token is the user, and so is its cookie', async () => {
    assert.deepEqual((await whoIs(backend, await limitedToken(backend, token))).principal, user);
    const headers = { cookie: await cookie(backend, token) };
    const { body } = await ask(`${backend.url}/api/report/cookie`, undefined, { headers });
    assert.deepEqual(body.principal, user);
  });

  test('the plugin token is the plugin', async () => {
    const plain = await pluginToken(backend, 'relay', { token, asSelf: true });
    const { principal } = await whoIs(backend, plain, 'relay');
    assert.deepEqual(principal, { type: 'service', subject: 'plugin:report' });
    assert.equal((await whoIs(backend, plain, 'report')).status, 401, 'it is for another plugin');
  });

  test('the plugin token on behalf of the user is the user, with the plugin as actor', async () => {
    const expected = { ...user, actor: { type: 'service', subject: 'plugin:report' } };
    const onBehalf = await pluginToken(backend, 'relay', { token });
    assert.deepEqual((await whoIs(backend, onBehalf, 'relay')).principal, expected);
    const { body } = await callPlugin(backend, 'relay', '/credentials', { token });
    assert.deepEqual(body.principal, expected);
  });

  test('no token is nobody, and a bad one is not nobody', async () => {
    assert.deepEqual((await whoIs(backend)).principal, { type: 'none' });
    assert.equal((await whoIs(backend, 'nonsense')).status, 401);
  });
});

test('our plugin notices the new keys of a backend that was restarted', async () => {
  const { port } = backend;
  await backend.stop();
  assert.equal((await whoami(token)).status, 200, 'known keys serve while the backend is away');
  backend = await startBackend({ port });
  const fresh = await guestToken(backend);
  const until = Date.now() + COOLDOWN_MS + 5000;
  let status;
  while ((status = (await whoami(fresh)).status) !== 200 && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  assert.equal(status, 200);
  assert.equal((await whoami(token)).status, 401, 'the old key is published no more');
});
