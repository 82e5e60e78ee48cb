// The certified provider, on a free port: whoever comes is Ada, and agrees to everything.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';

import { freePort } from '../../support/processes.mjs';

const ADA = {
  sub: '1815',
  email: 'ada@example.com',
  email_verified: true,
  name: 'Ada Lovelace',
  preferred_username: 'ada',
};

/** Signing keys of every kind that an ID token may be signed with here. */
function signingKeys() {
  const kinds = [
    ['rsa', { modulusLength: 2048 }],
    ['ec', { namedCurve: 'P-256' }],
    ['ec', { namedCurve: 'P-384' }],
    ['ed25519', {}],
  ];
  return kinds.map(([kind, options], i) => ({
    ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }),
    kid: `key-${i}`,
    use: 'sig',
  }));
}

/** Starts it with these clients. What it was asked is in `asked`, request by request. */
export async function startFriend(clients) {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'EdDSA'];
  const provider = new Provider(issuer, {
    clients,
    jwks: { keys: signingKeys() },
    cookies: { keys: ['only a test'] },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ ...ADA, sub }) }),
    claims: {
      openid: ['sub'],
      profile: ['name', 'preferred_username'],
      email: ['email', 'email_verified'],
      acr: null,
      auth_time: null,
    },
    scopes: ['openid', 'offline_access', 'profile', 'email'],
    acrValues: ['phr', 'pwd'],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    enabledJWA: {
      idTokenSigningAlgValues: algorithms,
      userinfoSigningAlgValues: algorithms,
      clientAuthSigningAlgValues: algorithms,
    },
    rotateRefreshToken: true,
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      jwtUserinfo: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      revocation: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        // Nobody is asked whether they mean it.
        logoutSource: (ctx, form) => {
          ctx.body = `<!doctype html>${form}`;
        },
      },
    },
  });
  const asked = [];
  provider.use(async (ctx, next) => {
    await next();
    const { body, params, client } = ctx.oidc ?? {};
    asked.push({
      method: ctx.method,
      path: ctx.path,
      query: { ...ctx.query },
      body: body && { ...body },
      params: params && { ...params },
      client: client?.clientId,
      authorization: ctx.get('authorization'),
      status: ctx.status,
    });
  });
  const faults = [];
  provider.on('server_error', (_, error) => faults.push(error));

  const callback = provider.callback();
  const server = createServer((request, response) => {
    const step = request.url.startsWith('/interaction/') ? agree(provider, request, response) : callback(request, response);
    Promise.resolve(step).catch((error) => {
      faults.push(error);
      response.destroy();
    });
  });
  await new Promise((listening) => server.listen(port, '127.0.0.1', listening));
  return {
    issuer,
    provider,
    faults,
    /** What was asked at a path and not yet forgotten. */
    asked: (path) => asked.filter((request) => request.path === path),
    forget: () => {
      asked.length = 0;
    },
    stop: () => new Promise((closed) => {
      server.close(closed);
      server.closeAllConnections();
    }),
  };
}

/** Ada signs in in her way, and consents. */
async function agree(provider, request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    const login = { accountId: ADA.sub, acr: 'phr', amr: ['swk'] };
    return provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}
