// How a browser is started and watched, for whichever package drives it.

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** Nothing leaves the machine, and popups open as they do for people: after a click and not otherwise. */
export const LAUNCH = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  ignoreDefaultArgs: ['--disable-popup-blocking'],
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    // Should anything want to leave the machine all the same, it gets no address.
    '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1',
  ],
};

/**
 * Everything that goes wrong in a browser's context from now on: requests to other machines, uncaught errors, and
 * errors on the console, each after the URL that it is said of, but for those that match one of `expected`.
 */
export function watch(context, expected) {
  const faults = [];
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (/^(https?|wss?):$/.test(url.protocol) && !LOOPBACK.has(url.hostname)) {
      faults.push(`request to ${url.host}`);
    }
  });
  context.on('weberror', (error) => faults.push(`uncaught: ${error.error()}`));
  context.on('console', (message) => {
    const said = `${message.location().url} ${message.text()}`;
    // Chromium asks for an icon of its own accord, and logs that there is none.
    const fine = [/\/favicon\.ico /, ...expected].some((pattern) => pattern.test(said));
    if (message.type() === 'error' && !fine) faults.push(`console: ${said}`);
  });
  return faults;
}
