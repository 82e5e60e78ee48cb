// The same requests to the real auth-backend and to our portal. What differs in the answers stands
// in DIFFERENT, each with its reason.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { ownAuth, startBackend } from './support/backend.mjs';
import { startConfiguredPortal } from './support/rust.mjs';
import { ask, guestSession, limitedOf, tampered } from './support/tokens.mjs';

const AJAX = { 'x-requested-with': 'XMLHttpRequest' };
const FOREIGN = { ...AJAX, origin: 'http://evil.test' };
const NO_ORIGIN = { ...AJAX, origin: 'null' };

/** Tokens that a request may bring, made of each side's own token of its guest. */
const TOKENS = {
  nonsense: () => 'nonsense',
  user: (token) => token,
  changed: (token) => tampered(token, 2),
  limited: limitedOf,
};

// A request is `[method, path, headers, kind of token]`.

const SAME = [
  ['GET', '/.well-known/jwks.json'],
  ['GET', '/.well-known/jwks.json/'],
  ['GET', '/.Well-Known/JWKS.json'],
  ['GET', '/.well-known/openid-configuration'],
  ['GET', '/.well-known/nothing'],
  ['GET', '/v1/userinfo'],
  ['GET', '/v1/userinfo', { authorization: 'Basic abc' }],
  ['GET', '/v1/userinfo', {}, 'user'],
  ['GET', '/v1/userinfo', {}, 'limited'],
  ...['/.well-known/jwks.json', '/.well-known/openid-configuration', '/v1/userinfo'].flatMap(
    (path) => [['HEAD', path], ['POST', path]],
  ),
  ['GET', ''],
  ['GET', '/'],
  ['GET', '/.backstage/auth/v1/jwks.json'],
  ['GET', '/.backstage/auth/v1/cookie'],
  ['GET', '/.backstage/auth/v1/cookie', {}, 'user'],
  ['DELETE', '/.backstage/auth/v1/cookie'],
  ['GET', '/v1'],
  ['GET', '/v1/nothing'],
  ['GET', '/v1/authorize'],
  ['GET', '/v1/sessions/x'],
  ['POST', '/v1/token'],
  ['POST', '/v1/register'],
  ['POST', '/v1/revoke'],

  ['GET', '/github'],
  ['GET', '/github/nothing'],
  ['GET', '/github/start'],
  ['GET', '/github/start?env='],
  ['GET', '/github/start?env=production'],
  ['GET', '/github/start?env=development'],
  ['GET', '/github/Start/?env=development'],
  ['GET', '/GitHub/start?env=development'],
  ['GET', '/github/start?env=development&origin=nonsense'],
  ['POST', '/github/start?env=development'],
  ['PUT', '/github/handler/frame?env=development'],
  ['GET', '/github/refresh'],
  ['GET', '/github/refresh', AJAX],
  ['GET', '/github/refresh?env=production', AJAX],
  ['GET', '/github/refresh?env=development'],
  ['GET', '/github/refresh?env=development', { 'x-requested-with': 'xmlhttprequest' }],
  ['GET', '/github/refresh?env=development', AJAX],
  ['GET', '/github/refresh?optional&env=development', AJAX],
  ['POST', '/github/refresh?env=development', AJAX],
  ['PUT', '/github/refresh?env=development', AJAX],
  ['GET', '/github/logout?env=development'],
  ['GET', '/github/logout?env=development', AJAX],
  ['POST', '/github/logout'],
  ['POST', '/github/logout', AJAX],
  ['POST', '/github/logout?env=production', AJAX],
  ['POST', '/github/logout?env=development'],
  ['POST', '/github/logout?env=development', AJAX],

  ['GET', '/guest'],
  ['GET', '/guest/start'],
  ['GET', '/guest/start?env=production'],
  ['GET', '/guest/start?env=development'],
  ['GET', '/guest/handler/frame'],
  ['GET', '/guest/handler/frame?state=00'],
  ['GET', '/guest/refresh', AJAX],
  ['POST', '/guest/refresh?env=development', AJAX],
  ['GET', '/guest/logout', AJAX],

  ['GET', '/gitlab/start'],
  ['GET', '/gitlab/start?env=development'],
  ['GET', '/gitlab/handler/frame'],
  ['GET', '/gitlab/handler/frame?state=00'],
  ['GET', '/gitlab/refresh'],
  ['GET', '/gitlab/refresh?env=development', AJAX],
  ['GET', '/gitlab/logout', AJAX],
  ['POST', '/gitlab/logout'],
  ['POST', '/gitlab/logout?env=development', AJAX],
];

const UNKNOWN = (provider) => `404 json NotFoundError: Unknown auth provider '${provider}'`;
const NO_ENV = "400 json InputError: Must specify 'env' query to select environment";
const NO_AJAX = '401 json AuthenticationError: Invalid X-Requested-With header';
const NOT_FOUND = '404 json NotFoundError: Not found';
const BAD_ORIGIN = '403 json NotAllowedError: Origin is not allowed';
const NOT_IMPLEMENTED = '501 json NotImplementedError: Not implemented';

const DIFFERENT = [
  ...['nonsense', 'changed'].map((kind) => ({
    request: ['GET', '/v1/userinfo', {}, kind],
    theirs: `401 json AuthenticationError: ${
      kind === 'nonsense' ? 'Illegal token' : 'Failed user token verification'
    }`,
    ours: '401 json AuthenticationError: Invalid token',
    because: 'what is wrong with a token is told to nobody',
  })),
  {
    request: ['GET', '/github/start?env=development&origin=http%3A%2F%2Fevil.test'],
    theirs: "403 json NotAllowedError: Origin 'http://evil.test' is not allowed",
    ours: BAD_ORIGIN,
    because: 'what a stranger writes is not repeated',
  },
  ...[FOREIGN, NO_ORIGIN].map((headers) => ({
    request: ['POST', '/github/logout?env=development', headers],
    theirs: `403 json NotAllowedError: Origin '${headers.origin}' is not allowed`,
    ours: BAD_ORIGIN,
    because: 'what a stranger writes is not repeated',
  })),
  {
    request: ['GET', '/github/start?env=development&flow=redirect'],
    theirs: '302',
    ours: '400 json InputError: No redirectUrl provided in request query parameters',
    because: 'it is sure to fail at the end, so it fails before the person has signed in',
  },
  {
    request: ['GET', '/github/start?env=development', { 'sec-fetch-mode': 'cors' }],
    theirs: '302',
    ours: '403 json NotAllowedError: A sign-in starts by navigating to this address',
    because: 'the script of a page must not begin a sign-in',
  },
  {
    request: ['GET', '/github/handler/frame?env=development'],
    theirs: '200 html',
    ours: '400 html',
    because: 'no message leaves for anybody before the state has proved who began',
  },
  {
    request: ['POST', '/github/handler/frame?env=development'],
    theirs: '200 html',
    ours: '400 html',
    because: 'no message leaves for anybody before the state has proved who began',
  },
  {
    request: ['GET', '/github/handler/frame'],
    theirs: NO_ENV,
    ours: '400 html',
    because: 'the state knows the environment, and it is a person that reads the answer',
  },
  {
    request: ['GET', '/github/start?state=00'],
    theirs: '403 json NotAllowedError: OAuth state is invalid, missing env',
    ours: NO_ENV,
    because: 'our state is a handle that says nothing to a start',
  },
  {
    request: ['GET', '/guest/refresh?env=development'],
    theirs: '200 json',
    ours: NO_AJAX,
    because: 'another site could sign people in',
  },
  {
    request: ['POST', '/guest/logout?env=development', AJAX],
    theirs: UNKNOWN('guest'),
    ours: '200',
    because: 'our guest has a session, which must come to an end',
  },
  {
    request: ['GET', '/.well-known/oauth-client/cli.json'],
    theirs: '404 json',
    ours: UNKNOWN('.well-known'),
    because: 'the authorization server is not spoken yet',
  },
];

const TYPES = {
  'application/json; charset=utf-8': ' json',
  'text/html': ' html',
  'text/html; charset=utf-8': ' html',
};

/** An answer in one line: status, type, and the error in it. */
const line = ({ status, headers, body }) => {
  const type = headers.get('content-type');
  const error = body?.error?.name ? ` ${body.error.name}: ${body.error.message}` : '';
  return `${status}${type === null ? '' : (TYPES[type] ?? ` ${type}`)}${error}`;
};

let sides;
let sessions;

before(async () => {
  const theirs = await startBackend();
  sides = { theirs };
  sides.ours = await startConfiguredPortal((url) => ({
    app: { baseUrl: url },
    backend: { baseUrl: url },
    auth: ownAuth(),
  }));
  sessions = { theirs: await guestSession(theirs), ours: await guestSession(sides.ours) };
});

after(async () => {
  await sides?.ours?.stop();
  await sides?.theirs.stop();
});

/** One request to both sides: `{ theirs, ours }`. */
async function both([method, path, headers, kind]) {
  const answers = {};
  for (const [name, { issuer }] of Object.entries(sides)) {
    const token = TOKENS[kind]?.(sessions[name].backstageIdentity.token);
    answers[name] = await ask(`${issuer}${path}`, token, { method, headers });
  }
  return answers;
}

const title = ([method, path, headers = {}, kind]) => {
  const told = [kind && `${kind} token`, ...Object.entries(headers).map((pair) => pair.join(': '))];
  return [`${method} ${path || '(nothing)'}`, ...told.filter(Boolean)].join(', ');
};

describe('answers alike', () => {
  for (const request of SAME) {
    test(title(request), async () => {
      const { theirs, ours } = await both(request);
      assert.equal(line(ours), line(theirs));
    });
  }
});

describe('answers differently', () => {
  for (const { request, because, ...expected } of DIFFERENT) {
    test(`${title(request)}: ${because}`, async () => {
      const { theirs, ours } = await both(request);
      assert.deepEqual({ theirs: line(theirs), ours: line(ours) }, expected);
    });
  }
});

describe('says the same things', () => {
  const keys = (object) => Object.keys(object).sort();

  test('of a key, but for its use, which they leave out', async () => {
    const { theirs, ours } = await both(['GET', '/.well-known/jwks.json']);
    const { use, ...key } = ours.body.keys[0];
    assert.equal(use, 'sig');
    assert.deepEqual(keys(key), keys(theirs.body.keys[0]));
    for (const member of ['kty', 'crv', 'alg']) {
      assert.equal(key[member], theirs.body.keys[0][member]);
    }
  });

  test('of itself, but for what the authorization server takes and for other algorithms', async () => {
    const { theirs, ours } = await both(['GET', '/.well-known/openid-configuration']);
    const {
      grant_types_supported: _,
      token_endpoint_auth_methods_supported: __,
      code_challenge_methods_supported: ___,
      id_token_signing_alg_values_supported: algorithms,
      ...document
    } = theirs.body;
    assert.ok(algorithms.includes('ES256'));
    const moved = JSON.stringify(document).replaceAll(sides.theirs.url, sides.ours.url);
    assert.deepEqual(ours.body, {
      ...JSON.parse(moved),
      id_token_signing_alg_values_supported: ['ES256'],
    });
  });

  test('of the user', async () => {
    const { theirs, ours } = await both(['GET', '/v1/userinfo', {}, 'user']);
    assert.deepEqual(ours.body, theirs.body);
  });

  test('in a session', () => {
    const facts = ({ backstageIdentity: { token: _, expiresInSeconds, ...identity }, ...session }) => {
      assert.equal(typeof expiresInSeconds, 'number');
      return { ...session, identity };
    };
    assert.deepEqual(facts(sessions.ours), facts(sessions.theirs));
  });

  test('to GitHub, but for PKCE and for the e-mail address that they go without', async () => {
    const { theirs, ours } = await both(['GET', '/github/start?env=development&scope=repo']);
    const [to, from] = [theirs, ours].map(({ headers }) => new URL(headers.get('location')));
    assert.equal(from.origin + from.pathname, to.origin + to.pathname);
    const { code_challenge: challenge, code_challenge_method: method, ...query } =
      Object.fromEntries(from.searchParams);
    assert.equal(method, 'S256');
    assert.match(challenge, /^[\w-]{43}$/);
    const expected = Object.fromEntries(to.searchParams);
    assert.deepEqual(keys(query), keys(expected));
    assert.equal(query.client_id, expected.client_id);
    assert.equal(query.scope, `${expected.scope} user:email`);
    assert.equal(
      query.redirect_uri,
      expected.redirect_uri.replace(sides.theirs.url, sides.ours.url),
    );
  });

  test('of the request, but for the base and the query', async () => {
    const { theirs, ours } = await both(['GET', '/v1/nothing?code=secret']);
    assert.deepEqual(theirs.body.request, { method: 'GET', url: '/v1/nothing?code=secret' });
    assert.deepEqual(ours.body.request, { method: 'GET', url: '/api/auth/v1/nothing' });
    assert.deepEqual(ours.body.response, theirs.body.response);
  });
});
