// The portals under test, and the identity providers that they share.

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { gitHubApp, oauthApp, openGitHub } from './github.mjs';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** A cold build of the example has to fit in, too. */
export const START_MS = 15 * 60_000;

/** The client that `tower_identity::testing::Provider` knows unless told otherwise; any loopback callback is its own. */
const CLIENT = { id: 'tower-identity', secret: 'testing-client-secret' };

/** Runs the example on a free port. Gives the lines that it said until it listened, and the way to stop it. */
async function run(...flags) {
  const [program, ...args] = process.env.PORTAL_BIN
    ? [process.env.PORTAL_BIN]
    : ['cargo', 'run', '--locked', '--example', 'portal', '--'];
  const portal = spawn(program, [...args, '--listen', '127.0.0.1:0', ...flags], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    // Refusals are what some tests are about: the log would be full of them.
    env: { ...process.env, RUST_LOG: process.env.RUST_LOG ?? 'error' },
    // A group of its own, so that whatever the portal starts ends with it.
    detached: true,
  });
  const exit = new Promise((resolve) => portal.once('exit', resolve));
  const stop = async () => {
    if (portal.exitCode === null && portal.signalCode === null) process.kill(-portal.pid, 'SIGTERM');
    await exit;
  };
  const said = await new Promise((resolve, reject) => {
    const lines = [];
    const late = setTimeout(() => reject(new Error('the portal never said where it listens')), START_MS);
    const settle = (result) => {
      clearTimeout(late);
      result();
    };
    portal.once('error', (error) => settle(() => reject(error)));
    portal.once('exit', (code) => settle(() => reject(new Error(`the portal exited with ${code}`))));
    createInterface({ input: portal.stdout }).on('line', (line) => {
      lines.push(line);
      if (line.startsWith('listening on ')) settle(() => resolve(lines.join('\n')));
    });
  }).catch(async (error) => {
    if (portal.pid) await stop();
    throw error;
  });
  return { said, stop };
}

/** The provider that is embedded in the example, with a GitHub of either kind; the portal beside it is not used. */
export async function startProviders() {
  const { said, stop } = await run();
  const corp = { url: /^provider (http:\S+)/m.exec(said)[1] };
  const [github, githubApp] = [await openGitHub(corp, oauthApp), await openGitHub(corp, gitHubApp)];
  return {
    corp,
    github,
    githubApp,
    stop: async () => {
      await Promise.all([github.close(), githubApp.close()]);
      await stop();
    },
  };
}

/** A portal with a configuration of its own, for browsers that see its page and its API at these URLs. */
export async function startPortal({ appUrl, backendUrl, sisterUrl, providers }) {
  const folder = await mkdtemp(join(tmpdir(), 'tower-identity-interop-'));
  const file = join(folder, 'app-config.yaml');
  await writeFile(file, `\
app:
  baseUrl: ${appUrl}
backend:
  baseUrl: ${backendUrl}
auth:
  environment: development
  experimentalExtraAllowedOrigins:
    - ${sisterUrl}
  providers:
    github:
      development:
        clientId: ${CLIENT.id}
        clientSecret: ${CLIENT.secret}
        enterpriseInstanceUrl: ${providers.github.url}
        signIn:
          resolvers:
            - resolver: usernameMatchingUserEntityName
    github-app:
      type: github
      development:
        clientId: ${CLIENT.id}
        clientSecret: ${CLIENT.secret}
        enterpriseInstanceUrl: ${providers.githubApp.url}
        signIn:
          resolvers:
            - resolver: usernameMatchingUserEntityName
    corp:
      type: oidc
      development:
        metadataUrl: ${providers.corp.url}/.well-known/openid-configuration
        clientId: ${CLIENT.id}
        clientSecret: ${CLIENT.secret}
        prompt: auto
        signIn:
          resolvers:
            - resolver: emailMatchingUserEntityProfileEmail
    guest:
      userEntityRef: user:default/guest
`);
  try {
    const { said, stop } = await run('--config', file);
    return { address: /^listening on (\S+)/m.exec(said)[1], stop };
  } finally {
    // It is read once, at the start.
    await rm(folder, { recursive: true });
  }
}
