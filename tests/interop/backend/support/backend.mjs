// Starts Backstage's own backend, with or without its own auth-backend.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { freePort, start } from '../../../support/processes.mjs';

const CATALOG = fileURLToPath(new URL('../server/catalog.cjs', import.meta.url));
const MAIN = fileURLToPath(new URL('../server/main.cjs', import.meta.url));
const START_MS = 60_000;

/** Whom the guest provider of the backend signs in. */
export const GUEST = {
  subject: 'user:default/visitor',
  ownership: ['user:default/visitor', 'group:default/visitors'],
};

/** Its own auth-backend: guests, and a GitHub that nobody reaches but that sign-in may start at. */
export const ownAuth = () => ({
  environment: 'development',
  providers: {
    guest: {
      userEntityRef: GUEST.subject,
      ownershipEntityRefs: GUEST.ownership,
      dangerouslyAllowOutsideDevelopment: true,
    },
    github: {
      development: {
        clientId: 'interop',
        clientSecret: 'interop-secret',
        signIn: { resolvers: [{ resolver: 'usernameMatchingUserEntityName' }] },
      },
    },
  },
});

/**
 * A backend that takes `auth` to be at `authUrl`, or else has its own auth-backend.
 * `access` is its `backend.auth`; `plugins` tells where plugins of other processes are: `{ [id]: base URL }`.
 */
export function startBackend({ authUrl, access = {}, plugins = {}, port } = {}) {
  const elsewhere = { ...plugins, ...(authUrl && { auth: authUrl }) };
  const more = {
    discovery: {
      endpoints: Object.entries(elsewhere).map(([id, target]) => ({ target, plugins: [id] })),
    },
    ...(!authUrl && { auth: ownAuth() }),
  };
  return run(MAIN, { access, port, more });
}

/** A backend whose only plugin is its catalog, which has the entities of a YAML text; services have this token. */
export async function startCatalog({ entities, token }) {
  const folder = await mkdtemp(join(tmpdir(), 'interop-catalog-'));
  const file = join(folder, 'org.yaml');
  await writeFile(file, entities);
  const access = { externalAccess: [{ type: 'static', options: { token, subject: 'portal' } }] };
  const rules = [{ allow: ['User', 'Group', 'Location', 'Component'] }];
  const catalog = { rules, locations: [{ type: 'file', target: file }], processingInterval: { seconds: 1 } };
  const backend = await run(CATALOG, { access, more: { catalog } });
  const stop = async () => {
    await backend.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { ...backend, stop };
}

async function run(main, { access, port, more }) {
  const directory = await mkdtemp(join(tmpdir(), 'interop-backend-'));
  const at = port ?? (await freePort());
  const url = `http://127.0.0.1:${at}`;
  const config = {
    app: { baseUrl: url },
    backend: {
      baseUrl: url,
      listen: `127.0.0.1:${at}`,
      database: { client: 'better-sqlite3', connection: ':memory:' },
      auth: access,
    },
    ...more,
  };
  const file = join(directory, 'app-config.json');
  await writeFile(file, JSON.stringify(config));
  // The backend looks around its directory for packages with configuration schemas: here are none.
  await writeFile(join(directory, 'package.json'), '{ "name": "interop", "private": true }');

  const cleanUp = () => rm(directory, { recursive: true, force: true });
  const backend = await start('the backend', [process.execPath, main, '--config', file], {
    cwd: directory,
    env: { ...process.env, NODE_ENV: 'test', LOG_LEVEL: 'warn' },
    within: START_MS,
    ready: () =>
      fetch(`${url}/.backstage/health/v1/readiness`).then((response) => response.ok, () => false),
  }).catch(async (error) => {
    await cleanUp();
    throw error;
  });
  return {
    url,
    port: at,
    issuer: `${url}/api/auth`,
    log: backend.log,
    async stop() {
      await backend.stop();
      await cleanUp();
    },
  };
}
