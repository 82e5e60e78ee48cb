// Keys of services: one configuration, read by the real backend and by our portal, must let in the
// same callers as the same subjects. Where we differ, each case says why.

import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { ownAuth, startBackend } from './support/backend.mjs';
import { startConfiguredPortal } from './support/rust.mjs';
import { ask, tampered } from './support/tokens.mjs';

const STATIC = randomBytes(24).toString('base64url');
const ELSEWHERE = randomBytes(24).toString('base64url');
const HERE = randomBytes(24).toString('base64url');
const LEGACY = randomBytes(24).toString('base64');
const SHARED = randomBytes(24).toString('base64');

/** `backend.auth` of both sides. */
const ACCESS = {
  externalAccess: [
    { type: 'static', options: { token: STATIC, subject: 'ci-deployer' } },
    {
      type: 'static',
      options: { token: ELSEWHERE, subject: 'elsewhere' },
      accessRestrictions: [{ plugin: 'relay' }],
    },
    {
      type: 'static',
      options: { token: HERE, subject: 'here' },
      accessRestrictions: [{ plugin: 'report' }],
    },
    { type: 'legacy', options: { secret: LEGACY, subject: 'old-scripts' } },
  ],
  keys: [{ secret: SHARED }],
};

const HOUR = 3600;
const now = () => Math.floor(Date.now() / 1000);
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A legacy token, as Backstage's old backends make it. */
function legacy(key, claims, { alg = 'HS256', typ } = {}) {
  const message = `${encode({ ...(typ && { typ }), alg })}.${encode(claims)}`;
  const mac = createHmac(alg.replace('HS', 'sha'), key).update(message).digest('base64url');
  return `${message}.${mac}`;
}

const decoded = (secret) => Buffer.from(secret, 'base64');
const server = (more = {}) => ({ sub: 'backstage-server', exp: now() + HOUR, ...more });
const withoutExp = () => ({ sub: 'backstage-server' });

const CASES = [
  // ----- the same on both sides -----
  { name: 'nothing', token: undefined, both: 401 },
  { name: 'a static token', token: STATIC, both: 'ci-deployer' },
  { name: 'a static token that lacks its end', token: STATIC.slice(0, -1), both: 401 },
  { name: 'a static token with more behind it', token: `${STATIC}x`, both: 401 },
  { name: 'a static token in other letters', token: swapCase(STATIC), both: 401 },
  { name: 'a static token for another plugin', token: ELSEWHERE, both: 403 },
  { name: 'a legacy token', token: legacy(decoded(LEGACY), server()), both: 'old-scripts' },
  {
    name: 'a legacy token that names the type JWT',
    token: legacy(decoded(LEGACY), server(), { typ: 'JWT' }),
    both: 'old-scripts',
  },
  {
    name: 'a legacy token of backend.auth.keys',
    token: legacy(decoded(SHARED), server()),
    both: 'external:backstage-plugin',
  },
  { name: 'a legacy token of no secret here', token: legacy(randomBytes(24), server()), both: 401 },
  {
    name: 'a legacy token for the subject that the old documentation names',
    token: legacy(decoded(LEGACY), server({ sub: 'backstage-plugin' })),
    both: 401,
  },
  {
    name: 'a legacy token without subject',
    token: legacy(decoded(LEGACY), { exp: now() + HOUR }),
    both: 401,
  },
  {
    name: 'a legacy token with an audience',
    token: legacy(decoded(LEGACY), server({ aud: 'report' })),
    both: 401,
  },
  {
    name: 'a legacy token by HS512',
    token: legacy(decoded(LEGACY), server(), { alg: 'HS512' }),
    both: 401,
  },
  {
    name: 'a legacy token that claims to be unsigned',
    token: `${encode({ alg: 'none' })}.${encode(server())}.`,
    both: 401,
  },
  ...[0, 1, 2].map((segment) => ({
    name: `a legacy token with one byte of segment ${segment} changed`,
    token: tampered(legacy(decoded(LEGACY), server()), segment),
    both: 401,
  })),
  { name: 'the secret of a legacy token, cut short', token: LEGACY.slice(0, -2), both: 401 },
  { name: 'three segments of nothing', token: 'a.b.c', both: 401 },
  {
    name: 'what claims to be a user token but cannot be read',
    token: `${encode({ alg: 'ES256', typ: 'vnd.backstage.user' })}.e.e`,
    both: 401,
  },

  // ----- different on purpose -----
  {
    name: 'a static token for the plugin that is asked',
    token: HERE,
    theirs: 'here',
    ours: 403,
    because: 'the sample portal says of no layer which plugin it is, so no restricted key fits',
  },
  {
    name: 'a legacy token without end',
    token: legacy(decoded(LEGACY), withoutExp()),
    theirs: 'old-scripts',
    ours: 401,
    because: 'a token that leaks must not be good for ever',
  },
  {
    name: 'a legacy token that has ended',
    token: legacy(decoded(LEGACY), server({ exp: now() - 1 })),
    theirs: 500,
    ours: 401,
    because: 'it is the caller that is wrong, not the server',
  },
  {
    name: 'a legacy token that is not valid yet',
    token: legacy(decoded(LEGACY), server({ nbf: now() + HOUR })),
    theirs: 500,
    ours: 401,
    because: 'it is the caller that is wrong, not the server',
  },
  {
    name: 'what claims to be a plugin token but cannot be read',
    token: `${encode({ alg: 'ES256', typ: 'vnd.backstage.plugin' })}.e.e`,
    theirs: 500,
    ours: 401,
    because: 'it is the caller that is wrong, not the server',
  },
  {
    name: 'a legacy token signed with the text of the secret',
    token: legacy(LEGACY, server()),
    theirs: 401,
    ours: 'old-scripts',
    because: 'people who sign by hand take the secret as it is written',
  },
  {
    name: 'the secret of backend.auth.keys itself',
    token: SHARED,
    theirs: 401,
    ours: 'external:backstage-plugin',
    because: 'a secret is also a key of its own, so that nobody has to sign',
  },
  {
    name: 'the secret of a legacy entry itself',
    token: LEGACY,
    theirs: 401,
    ours: 'old-scripts',
    because: 'a secret is also a key of its own, so that nobody has to sign',
  },
];

function swapCase(text) {
  return text.replace(/[a-z]/gi, (c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()));
}

let backend;
let portal;

before(async () => {
  backend = await startBackend({ access: ACCESS });
  portal = await startConfiguredPortal((url) => ({
    app: { baseUrl: url },
    backend: { baseUrl: url, auth: ACCESS },
    auth: ownAuth(),
  }));
});

after(async () => {
  await portal?.stop();
  await backend?.stop();
});

/** The subject that somebody is let in as, or else the status. */
const theirs = async (token) => {
  const { status, body } = await ask(`${backend.url}/api/report/strict`, token);
  return status === 200 ? body.principal.subject : status;
};

const ours = async (token) => {
  const { status, body } = await ask(`${portal.url}/api/whoami`, token);
  return status === 200 ? body.subject : status;
};

describe('a key of a service', () => {
  for (const { name, token, both, because, ...expected } of CASES) {
    test(because ? `${name}: ${because}` : name, async () => {
      assert.deepEqual(
        { theirs: await theirs(token), ours: await ours(token) },
        because === undefined ? { theirs: both, ours: both } : expected,
      );
    });
  }
});
