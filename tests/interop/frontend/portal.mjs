// The portals under test, and the identity providers that they share.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startExample } from '../../support/examples.mjs';
import { gitHubApp, oauthApp, openGitHub } from './github.mjs';

/** The client that `tower_identity::testing::Provider` knows unless told otherwise; any loopback callback is its own. */
const CLIENT = { id: 'tower-identity', secret: 'testing-client-secret' };

/** Runs the portal on a free port. */
const run = (...flags) =>
  startExample('portal', ['--listen', '127.0.0.1:0', ...flags], {
    // Refusals are what some tests are about: the log would be full of them.
    env: { ...process.env, RUST_LOG: process.env.RUST_LOG ?? 'error' },
  });

/** The provider that is embedded in the example, with a GitHub of either kind; the portal beside it is not used. */
export async function startProviders() {
  const { log, stop } = await run();
  const corp = { url: /^provider (http:\S+)/m.exec(log())[1] };
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
${appUrl === backendUrl ? '' : `  cors: { origin: ['${appUrl}', '${sisterUrl}'], credentials: true }`}
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
    const { url, stop } = await run('--config', file);
    return { address: url, stop };
  } finally {
    // It is read once, at the start.
    await rm(folder, { recursive: true });
  }
}
