// Starts the programs of this crate: `PORTAL_BIN`, `PLUGIN_BIN` and `BACKSTAGE_PLUGIN_BIN` name ones that are
// built already, otherwise cargo builds them.

import { fileURLToPath } from 'node:url';

import { start } from './processes.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A cold build has to fit in, too. */
export const START_MS = 15 * 60_000;

/** Runs an example until it listens. Gives its URL, what it has said (`log()`), and the way to stop it. */
export async function startExample(example, args, options) {
  const built = process.env[`${example.toUpperCase()}_BIN`];
  const command = built ? [built] : ['cargo', 'run', '--locked', '--example', example, '--'];
  const program = await start(`the ${example}`, [...command, ...args], {
    cwd: ROOT,
    within: START_MS,
    // To the line's end: what is said may come in pieces.
    ready: (log) => /listening on (http:\S+)\n/.exec(log)?.[1],
    ...options,
  });
  return { url: program.found, stop: program.stop, log: program.log };
}
