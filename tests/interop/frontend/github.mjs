// GitHub's habits with scopes, which the testing provider does not have: it repeats what was asked for.
//
// A server in front of the provider changes what the token endpoint answers, and nothing else.

import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';

/** What a wide scope takes the place of in GitHub's answer ("normalized scopes"). */
const WIDE = { user: ['read:user', 'user:email'] };

/** An OAuth app's answer: a scope that another one covers is not named. */
export function oauthApp(answer) {
  const scopes = answer.scope.split(',');
  const covered = scopes.flatMap((scope) => WIDE[scope] ?? []);
  return { ...answer, scope: scopes.filter((scope) => !covered.includes(scope)).join(',') };
}

/** A GitHub App's answer: no scopes at all, and a token that ends and is renewed by another, used once. */
export function gitHubApp(answer, renewals) {
  const renewal = `ghr_${randomUUID()}`;
  renewals.set(renewal, answer);
  return { ...answer, scope: '', expires_in: 28800, refresh_token: renewal, refresh_token_expires_in: 15897600 };
}

/** Puts it in front of the provider. Gives its URL and the way to close it. */
export async function openGitHub(provider, habits) {
  const renewals = new Map();
  const server = createServer(async (incoming, outgoing) => {
    const body = await read(incoming);
    const { status, headers, text } = await answerTo(incoming, body);
    outgoing.writeHead(status, headers).end(text);
  });

  async function answerTo({ method, url, headers }, body) {
    const form = new URLSearchParams(body);
    if (form.get('grant_type') === 'refresh_token') {
      const known = renewals.get(form.get('refresh_token'));
      renewals.delete(form.get('refresh_token'));
      return json(known ? habits(known, renewals) : { error: 'bad_refresh_token' });
    }
    const answer = await fetch(new URL(url, provider.url), {
      method,
      headers: without(headers, 'host', 'connection', 'content-length'),
      body: method === 'POST' ? body : undefined,
      redirect: 'manual',
    });
    const text = await answer.text();
    if (url === '/login/oauth/access_token' && text.includes('access_token')) {
      return json(habits(JSON.parse(text), renewals));
    }
    const sent = Object.fromEntries(answer.headers);
    const hop = ['connection', 'content-length', 'keep-alive', 'transfer-encoding'];
    return { status: answer.status, headers: without(sent, ...hop), text };
  }

  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const close = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}

/** Headers without those that are each connection's own. */
const without = (headers, ...names) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)));

const json = (body) => ({
  status: 200,
  headers: { 'content-type': 'application/json; charset=utf-8' },
  text: JSON.stringify(body),
});

async function read(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}
