// Programs under test: each on a port of its own, ended by its own process id, its output kept for
// the day that it does not start.

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** What a program said last is what tells why it failed. */
const LOG_TAIL = 8000;

/**
 * A port that was free a moment ago, and that nobody is given who asks for any port, or who connects: it is below
 * those that the system hands out.
 */
export async function freePort() {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = randomInt(10_000, 32_000);
    const server = createServer();
    const free = await new Promise((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
  throw new Error('no free port in a hundred tries');
}

/**
 * Starts a program and waits until `ready(log)` gives something, which is tried again whenever the
 * program says something and several times a second.
 */
export async function start(name, [program, ...args], { ready, within, ...options }) {
  // A group of its own, so that whatever it starts ends with it.
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, ...options });
  let log = '';
  const keep = (chunk) => {
    log = (log + chunk).slice(-LOG_TAIL);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  let failure;
  child.once('error', (error) => {
    failure = `cannot be started: ${error.message}`;
  });
  const exit = new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      failure ??= `ended with ${signal ?? code}`;
      resolve();
    });
  });

  const stop = async () => {
    if (!child.pid || child.exitCode !== null || child.signalCode !== null) return;
    process.kill(-child.pid, 'SIGTERM');
    const late = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), 5000);
    await exit;
    clearTimeout(late);
  };

  const deadline = Date.now() + within;
  for (;;) {
    const found = failure ? undefined : await ready(log);
    if (found) return { found, stop, log: () => log };
    if (!failure && Date.now() > deadline) failure = `was not ready within ${within / 1000} s`;
    if (failure) {
      await stop();
      throw new Error(`${name} ${failure}. It said:\n${log}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
