// A plugin of ours among the real backend's: their plugins call it, it calls them, and what a browser
// has of the one is good at the other. Once with the backend's own users, and once with our portal's.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { GUEST, startBackend } from './support/backend.mjs';
import { signIn } from './support/browser.mjs';
import { freePort } from '../../support/processes.mjs';
import { startBackstagePlugin, startPortal } from './support/rust.mjs';
import {
  ask,
  callPlugin,
  claims,
  cookie,
  guestToken,
  limitedOf,
  limitedToken,
  pluginToken,
  SEGMENTS,
  tampered,
} from './support/tokens.mjs';

const REPORT = { type: 'service', subject: 'plugin:report' };
const MINE = { type: 'service', subject: 'plugin:mine' };

/** The real backend with our plugin `mine` beside it, and a user's token. */
function together(title, { subject, start }) {
  describe(title, () => {
    let portal;
    let backend;
    let mine;
    let token;

    before(async () => {
      const port = await freePort();
      const plugins = { mine: `http://127.0.0.1:${port}/api/mine` };
      ({ portal, backend, token } = await start(plugins));
      mine = await startBackstagePlugin({ id: 'mine', port, backend: backend.url, auth: portal?.issuer });
    });

    after(async () => {
      await mine?.stop();
      await backend?.stop();
      await portal?.stop();
    });

    const whoami = (who, path = '/whoami') => ask(`${mine.base}${path}`, who);

    test('the user is the user', async () => {
      const { status, body } = await whoami(token);
      assert.equal(status, 200);
      assert.equal(body.subject, subject);
      assert.equal(body.actor, undefined);
    });

    test('a limited token is the user below /static, and nobody elsewhere', async () => {
      const limited = await limitedToken(backend, token);
      assert.equal(limited, limitedOf(token));
      const { status, body } = await whoami(limited, '/static/whoami');
      assert.equal(status, 200);
      assert.equal(body.subject, subject);
      assert.equal((await whoami(limited)).status, 401);
    });

    test("the backend's cookie is good here, and ours there", async () => {
      const theirs = await cookie(backend, token);
      const { body } = await ask(`${mine.base}/static/whoami`, undefined, { headers: { cookie: theirs } });
      assert.equal(body.subject, subject);
      const issued = await ask(`${mine.base}/.backstage/auth/v1/cookie`, token);
      assert.equal(issued.status, 200);
      assert.equal(Date.parse(issued.body.expiresAt) / 1000, claims(token).exp);
      const [line] = issued.headers.getSetCookie();
      const ours = { cookie: line.split(';')[0] };
      assert.equal(ours.cookie, theirs, 'byte for byte');
      const report = await ask(`${backend.url}/api/report/cookie`, undefined, { headers: ours });
      assert.equal(report.body.principal.userEntityRef, subject);
    });

    test('a plugin of theirs is a service here', async () => {
      const { status, body } = await callPlugin(backend, 'mine', '/whoami', { token, asSelf: true });
      assert.equal(status, 200, JSON.stringify(body));
      assert.deepEqual([body.principal, body.subject], ['service', REPORT.subject]);
    });

    test('a plugin of theirs that acts for the user is the user here', async () => {
      const { status, body } = await callPlugin(backend, 'mine', '/whoami', { token });
      assert.equal(status, 200, JSON.stringify(body));
      assert.deepEqual([body.subject, body.actor], [subject, REPORT.subject]);
    });

    test('our plugin that acts for the user is the user there', async () => {
      const { status, body } = await whoami(token, '/ask/report/strict');
      assert.equal(status, 200, body);
      const { principal } = JSON.parse(body);
      assert.deepEqual(principal, { type: 'user', userEntityRef: subject, actor: MINE });
    });

    test('and passes on what was passed to it', async () => {
      const relayed = await callPlugin(backend, 'mine', '/ask/report/strict', { token });
      assert.equal(relayed.status, 200, JSON.stringify(relayed.body));
      assert.deepEqual(relayed.body.principal, { type: 'user', userEntityRef: subject, actor: MINE });
      const alone = await callPlugin(backend, 'mine', '/ask/report/strict', { token, asSelf: true });
      assert.deepEqual(alone.body.principal, MINE, 'a service is lost on the way, as in Backstage');
    });

    test('what the user owns is known there by our call', async () => {
      const { status, body } = await whoami(token, '/ask/report/user-info');
      assert.equal(status, 200, body);
      assert.ok(JSON.parse(body).ownershipEntityRefs.includes(subject));
    });

    test('what the user owns is known here by asking the portal', async () => {
      const { status, body } = await whoami(token, '/owns');
      assert.equal(status, 200, JSON.stringify(body));
      assert.ok(body.includes(subject), JSON.stringify(body));
      const service = await pluginToken(backend, 'mine', { token, asSelf: true });
      assert.equal((await whoami(service, '/owns')).status, 502, 'a service is no user');
    });

    SEGMENTS.forEach((name, segment) =>
      test(`every kind is refused with one byte of its ${name} changed`, async () => {
        const limited = limitedOf(token);
        for (const [kind, path] of [
          [token, '/whoami'],
          [limited, '/static/whoami'],
          [await pluginToken(backend, 'mine', { token, asSelf: true }), '/whoami'],
          [await pluginToken(backend, 'mine', { token }), '/whoami'],
        ]) {
          assert.equal((await whoami(kind, path)).status, 200);
          assert.equal((await whoami(tampered(kind, segment), path)).status, 401);
        }
      }));

    test('a plugin token for another plugin is refused', async () => {
      const other = await pluginToken(backend, 'relay', { token });
      assert.equal((await whoami(other)).status, 401);
    });

    test('its key set is open, its health too, and nothing else', async () => {
      const keys = await ask(`${mine.base}/.backstage/auth/v1/jwks.json`);
      assert.equal(keys.body.keys[0].kty, 'EC');
      assert.equal((await ask(`${mine.base}/health`)).status, 200);
      assert.equal((await ask(`${mine.base}/whoami`)).status, 401);
      assert.equal((await ask(`${mine.base}/nothing`)).status, 401);
      assert.equal((await ask(`${mine.base}/nothing`, token)).status, 404);
    });
  });
}

together("our plugin with the backend's own users", {
  subject: GUEST.subject,
  start: async (plugins) => {
    const backend = await startBackend({ plugins });
    return { backend, token: await guestToken(backend) };
  },
});

together("our plugin with our portal's users", {
  subject: 'user:default/ada',
  start: async (plugins) => {
    const portal = await startPortal();
    const backend = await startBackend({ authUrl: portal.issuer, plugins });
    return { portal, backend, token: await signIn(portal) };
  },
});
