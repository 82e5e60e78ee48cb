// The portal, with one provider for each client.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startExample } from '../../support/examples.mjs';
import { freePort } from '../../support/processes.mjs';
import { makeClients } from './clients.mjs';
import { startFriend } from './friend.mjs';

const CATALOG = `
apiVersion: backstage.io/v1alpha1
kind: User
metadata: { name: ada }
spec: { profile: { email: ada@example.com }, memberOf: [] }
`;

/** The provider and the portal, each knowing the other. */
export async function startBoth() {
  const folder = await mkdtemp(join(tmpdir(), 'tid-provider-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const clients = await makeClients(url, folder);
  const friend = await startFriend(clients.map(({ theirs }) => theirs));
  const signIn = { resolvers: [{ resolver: 'emailMatchingUserEntityProfileEmail' }] };
  const providers = Object.fromEntries(clients.map(({ id, ours }) => {
    const development = { metadataUrl: friend.issuer, signIn, ...ours };
    return [id, { type: 'oidc', development }];
  }));
  // Dollars would be variables.
  const config = { backend: { baseUrl: url }, auth: { environment: 'development', providers } };
  await writeFile(join(folder, 'app-config.yaml'), JSON.stringify(config));
  await writeFile(join(folder, 'org.yaml'), CATALOG);
  const portal = await startExample('portal', [
    '--config', join(folder, 'app-config.yaml'), '--catalog', join(folder, 'org.yaml'), '--listen', `127.0.0.1:${port}`,
  ]);
  return {
    friend,
    url,
    log: portal.log,
    async stop() {
      await portal.stop();
      await friend.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
