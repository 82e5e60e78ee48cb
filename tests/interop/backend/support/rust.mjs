// The programs of this crate that these tests run.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startExample } from '../../../support/examples.mjs';
import { freePort } from '../../../support/processes.mjs';

/** The portal with its own identity provider; its people are in examples/portal/catalog.yaml. */
export async function startPortal({ port = 0 } = {}) {
  const portal = await startExample('portal', ['--listen', `127.0.0.1:${port}`]);
  return { ...portal, port: new URL(portal.url).port, issuer: `${portal.url}/api/auth` };
}

/** The portal of a configuration, which `configure(url)` gives. */
export async function startConfiguredPortal(configure) {
  const directory = await mkdtemp(join(tmpdir(), 'interop-portal-'));
  const cleanUp = () => rm(directory, { recursive: true, force: true });
  try {
    const port = await freePort();
    const file = join(directory, 'app-config.json');
    await writeFile(file, JSON.stringify(configure(`http://127.0.0.1:${port}`)));
    const portal = await startExample('portal', ['--config', file, '--listen', `127.0.0.1:${port}`]);
    const stop = async () => {
      await portal.stop();
      await cleanUp();
    };
    return { ...portal, stop, issuer: `${portal.url}/api/auth` };
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

/** A Backstage plugin of ours, at `url`; `auth` is the portal's issuer URL, if it is not the backend's. */
export async function startBackstagePlugin({ id, port, backend, auth }) {
  const args = ['--id', id, '--backend', backend, '--listen', `127.0.0.1:${port}`];
  const plugin = await startExample('backstage_plugin', [...args, ...(auth ? ['--auth', auth] : [])]);
  return { ...plugin, base: `${plugin.url}/api/${id}` };
}

/** A plugin that believes the user tokens of `issuer`. */
export const startPlugin = (issuer) =>
  startExample('plugin', ['--issuer', issuer, '--listen', '127.0.0.1:0']);
