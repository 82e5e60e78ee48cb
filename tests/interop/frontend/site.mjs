// A web server of the tests' own: it serves the page, stands in front of the portal, or does both.
//
// The portal's address has to be in its configuration before it starts, and the portal chooses its port
// only then. So a site comes first, and is told later what lies behind it.

import { createServer, request } from 'node:http';

/** Listens on a free port, as `http://localhost:PORT`. */
export async function openSite() {
  const site = { page: null, upstream: null };
  const server = createServer((incoming, outgoing) => {
    if (!incoming.url.startsWith('/api/')) return servePage(site, incoming, outgoing);
    return forward(site, incoming, outgoing);
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    // Only loopback; a browser that tries [::1] first for `localhost` comes to 127.0.0.1 next.
    server.listen(0, '127.0.0.1', resolve);
  });
  site.origin = `http://localhost:${server.address().port}`;
  site.close = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return site;
}

/** The page, at every path, as Backstage's app plugin serves it: the configuration stands in it. */
function servePage({ page }, incoming, outgoing) {
  if (!page) return outgoing.writeHead(404).end();
  if (incoming.url === '/app.js') {
    return outgoing.writeHead(200, { 'content-type': 'text/javascript', 'cache-control': 'max-age=3600' })
      .end(page.script);
  }
  // The first segments choose the variant, so that a test needs no more than a URL.
  const segments = new URL(incoming.url, 'http://site').pathname.split('/');
  const signInPage = ['single', 'proxied', 'absent'].find((kind) => segments.includes(kind)) ?? 'several';
  const data = {
    app: { title: 'Interop', baseUrl: page.appUrl },
    backend: { baseUrl: page.backendUrl },
    auth: { environment: 'development' },
    enableExperimentalRedirectFlow: segments.includes('redirect'),
    tests: { signInPage },
  };
  const config = JSON.stringify([{ context: 'tests', data }]).replaceAll('<', '\\u003c');
  return outgoing.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(
    `<!doctype html><html lang="en"><head><title>Interop</title><link rel="icon" href="data:,">
<script type="backstage.io/config">${config}</script></head>
<body><div id="root"></div><script src="/app.js"></script></body></html>`,
  );
}

/** Hands a request to the portal with the host that the browser asked for. */
function forward({ upstream }, incoming, outgoing) {
  if (!upstream) return outgoing.writeHead(502).end();
  const { hostname, port } = new URL(upstream);
  const onward = request(
    { hostname, port, path: incoming.url, method: incoming.method, headers: incoming.headers },
    (answer) => {
      // Header by header, so that several cookies stay several.
      for (const [name, value] of Object.entries(answer.headers)) outgoing.setHeader(name, value);
      outgoing.writeHead(answer.statusCode);
      answer.pipe(outgoing);
    },
  );
  onward.once('error', () => (outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(502).end()));
  return incoming.pipe(onward);
}
