// One client for each way to be one, as the provider and as the portal know it.

import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';

/** Whatever a secret may hold that form encoding changes. */
const SECRET = 'a:b%20c+d/e =&"';
export const ID_TOKEN_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'EdDSA'];
export const KEY_ALGORITHMS = ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA'];

const KINDS = {
  ES256: ['ec', { namedCurve: 'P-256' }],
  ES384: ['ec', { namedCurve: 'P-384' }],
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  EdDSA: ['ed25519', {}],
};

/** The clients of a portal at `portal`, whose keys are written to `folder`. */
export async function makeClients(portal, folder) {
  const clients = [];
  const add = (id, ours = {}, theirs = {}) => clients.push({
    id,
    ours: { clientId: id, ...(!ours.clientKey && { clientSecret: SECRET }), prompt: 'auto', ...ours },
    theirs: {
      client_id: id,
      client_secret: SECRET,
      redirect_uris: [`${portal}/api/auth/${id}/handler/frame`],
      post_logout_redirect_uris: [`${portal}/`],
      grant_types: ['authorization_code', 'refresh_token'],
      ...theirs,
    },
  });

  add('basic');
  add('post', { tokenEndpointAuthMethod: 'client_secret_post' }, { token_endpoint_auth_method: 'client_secret_post' });
  for (const alg of KEY_ALGORITHMS) {
    const pair = generateKeyPairSync(...KINDS[alg]);
    const file = join(folder, `${alg}.pem`);
    await writeFile(file, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: `our-${alg}`, use: 'sig' };
    add(`key-${alg}`, { clientKey: { privateKeyFile: file, keyId: `our-${alg}`, algorithm: alg } }, {
      client_secret: undefined,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: alg,
      jwks: { keys: [jwk] },
    });
  }
  for (const alg of ID_TOKEN_ALGORITHMS) {
    add(`any-${alg}`, {}, { id_token_signed_response_alg: alg });
    add(`only-${alg}`, { tokenSignedResponseAlg: alg }, { id_token_signed_response_alg: alg });
  }
  add('other-alg', { tokenSignedResponseAlg: 'ES256' }, { id_token_signed_response_alg: 'RS256' });
  add('offline', { prompt: 'consent', additionalScopes: ['offline_access'] });
  add('pushed', {}, { require_pushed_authorization_requests: true });
  add('not-pushed', { pushedAuthorizationRequests: false });
  add('form', { responseMode: 'form_post' });
  // By another algorithm than ID tokens are.
  add('signed', { userinfoSigned: true, tokenSignedResponseAlg: 'RS256' }, { userinfo_signed_response_alg: 'ES256' });
  add('unsigned', { userinfoSigned: true });
  add('strong', { maxAge: { minutes: 5 }, acrValues: ['phr'] });
  add('stronger', { acrValues: ['pwd'] });
  return clients;
}
