// The catalog of Backstage's own backend, asked by our portal: its people sign in there.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startCatalog } from './support/backend.mjs';
import { Browser, signIn } from './support/browser.mjs';
import { startConfiguredPortal, startPortal } from './support/rust.mjs';
import { claims } from './support/tokens.mjs';

const TOKEN = 'a-token-of-external-access';
const KEY = 'a-key-of-a-service-0123456789';
const CLIENT = { clientId: 'tower-identity', clientSecret: 'testing-client-secret' };

// The names are not those at the provider, and the address is written in another case.
const ENTITIES = `
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: { name: analysts }
spec: { type: team, children: [] }
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: { name: ops, namespace: other }
spec: { type: team, children: [], members: [default/countess] }
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: { name: countess, annotations: { example.com/email: ada@example.com } }
spec: { profile: { email: Ada@Example.com, displayName: Ada }, memberOf: [analysts] }
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: { name: twin, annotations: { example.com/email: grace@example.com } }
spec: { profile: { email: grace@example.com }, memberOf: [] }
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: { name: other-twin, annotations: { example.com/email: Grace@example.com } }
spec: { profile: { email: grace@example.com }, memberOf: [] }
`;

let people;
let catalog;
let portal;

const portalWith = (token) =>
  startConfiguredPortal((url) => {
    const metadataUrl = `${people.provider}/.well-known/openid-configuration`;
    const by = (...resolvers) => ({
      type: 'oidc',
      development: { ...CLIENT, metadataUrl, prompt: 'auto', signIn: { resolvers } },
    });
    return {
      app: { baseUrl: url },
      backend: { baseUrl: url, auth: { keys: [{ secret: KEY, id: 'ci' }] } },
      catalog: { remote: { url: `${catalog.url}/api/catalog`, token, cacheFor: '1 ms' } },
      auth: {
        providers: {
          mail: by({ resolver: 'emailMatchingUserEntityProfileEmail' }),
          annotation: by({ resolver: 'emailMatchingUserEntityAnnotation', annotation: 'example.com/email' }),
          name: by({ resolver: 'usernameMatchingUserEntityName' }),
        },
      },
    };
  });

before(async () => {
  const sample = await startPortal();
  people = { ...sample, provider: /^provider (http:\S+)/m.exec(sample.log())[1] };
  catalog = await startCatalog({ entities: ENTITIES, token: TOKEN });
  portal = await portalWith(TOKEN);
  await until(async () => (await entities(portal)).some(({ metadata }) => metadata.name === 'twin'));
  await until(async () => (await entities(portal)).some(({ relations }) => relations?.length > 1));
});

after(async () => {
  await portal?.stop();
  await catalog?.stop();
  await people?.stop();
});

/** What our portal says is in the catalog. */
async function entities(at) {
  const answer = await fetch(`${at.url}/api/catalog/entities`, { headers: { authorization: `Bearer ${KEY}` } });
  assert.equal(answer.status, 200);
  return answer.json();
}

/** The catalog takes in its files while it runs. */
async function until(condition) {
  const end = Date.now() + 60_000;
  while (!(await condition())) {
    assert.ok(Date.now() < end, 'the catalog does not have what it should');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** What a sign-in that fails tells the page. */
async function refusal(at, user, provider) {
  const token = await signIn(at, user, provider).catch((error) => error);
  assert.ok(token instanceof Error, `${user} signed in`);
  return decodeURIComponent(String(token.message)).replaceAll('+', ' ');
}

describe("people of Backstage's own catalog", () => {
  for (const provider of ['mail', 'annotation']) {
    test(`are found by ${provider}, with their groups`, async () => {
      const { sub, ent } = claims(await signIn(portal, 'ada', provider));
      assert.equal(sub, 'user:default/countess');
      assert.deepEqual(ent.toSorted(), ['group:default/analysts', 'group:other/ops', 'user:default/countess']);
    });
  }

  test('are nobody by a name that none of them has', async () => {
    assert.match(await refusal(portal, 'ada', 'name'), /unable to resolve user identity/);
  });

  test('are nobody where two have the address', async () => {
    assert.match(await refusal(portal, 'grace', 'mail'), /multiple matches/);
  });

  test('are told apart by an annotation to the letter, which the catalog does not do', async () => {
    assert.equal(claims(await signIn(portal, 'grace', 'annotation')).sub, 'user:default/twin');
  });

  test('are not unknown because the catalog refuses our token', async () => {
    const refused = await portalWith('another-token-of-nobody');
    try {
      assert.match(await refusal(refused, 'ada', 'mail'), /can't be asked right now/);
      assert.match(refused.log(), /backend\.auth\.externalAccess/);
    } finally {
      await refused.stop();
    }
  });
});
