// Tokens out of the real backend, and what anybody says to a token.
//
// Every kind of token that Backstage knows can be had, each by one call:
//
//   guestToken(backend)                    user token of the backend's guest (only with its own auth)
//   limitedToken(backend, userToken)       limited user token, the value of the cookie `backstage-auth`
//   pluginToken(backend, 'mine', {token})  for the plugin `mine`: on behalf of the user that `token` is
//   pluginToken(backend, 'mine', {token, asSelf: true})   the same from the plugin `report` alone
//   limitedOf(userToken)                   the same, without asking anybody
//   cookie(backend, userToken)             the cookie itself, as a `Cookie` header
//
// `whoIs(backend, token)` tells whom the real backend takes a token for, limited ones included:
// `{ status, principal, expiresAt }`, or `{ status, error }`. `callPlugin` has the backend call a
// plugin, one of ours too if `startBackend({ plugins })` says where it is.

import assert from 'node:assert/strict';

import { send } from './http.mjs';

export const bearer = (token) => (token === undefined ? {} : { authorization: `Bearer ${token}` });

/** A GET that gives the status and what was said, as JSON if it is any. */
export async function ask(url, token, { headers, ...options } = {}) {
  const answer = await send(url, { ...options, headers: { ...bearer(token), ...headers } });
  const isJson = /^application\/json/.test(answer.headers.get('content-type') ?? '');
  const body = isJson && answer.text ? JSON.parse(answer.text) : answer.text;
  return { status: answer.status, headers: answer.headers, body };
}

async function demand(url, token, headers) {
  const { status, body } = await ask(url, token, { headers });
  assert.equal(status, 200, `${url}: ${JSON.stringify(body)}`);
  return body;
}

/** The guest's session of a backend or of a portal of ours. */
export const guestSession = (side) =>
  demand(`${side.issuer}/guest/refresh`, undefined, { 'x-requested-with': 'XMLHttpRequest' });

export async function guestToken(backend) {
  return (await guestSession(backend)).backstageIdentity.token;
}

export async function limitedToken(backend, token) {
  return (await demand(`${backend.url}/api/report/tokens/limited`, token)).token;
}

export async function pluginToken(backend, target, { token, asSelf = false }) {
  const query = new URLSearchParams({ target, ...(asSelf && { as: 'self' }) });
  return (await demand(`${backend.url}/api/report/tokens/plugin?${query}`, token)).token;
}

export async function cookie(backend, token, plugin = 'report') {
  const { status, headers } = await ask(`${backend.url}/api/${plugin}/.backstage/auth/v1/cookie`, token);
  assert.equal(status, 200);
  const line = headers.getSetCookie().find((set) => set.startsWith('backstage-auth='));
  assert.ok(line, 'the backend issued no cookie');
  return line.split(';')[0];
}

export async function whoIs(backend, token, plugin = 'report') {
  const { status, body } = await ask(`${backend.url}/api/${plugin}/credentials`, token);
  return { status, ...(status === 200 ? select(body) : { error: body.error }) };
}

const select = ({ principal, expiresAt }) => ({ principal, expiresAt });

/** What `path` of the plugin `target` answers to the plugin `report`, which calls it for `token`'s user. */
export async function callPlugin(backend, target, path, { token, asSelf = false }) {
  const query = new URLSearchParams({ target, path, ...(asSelf && { as: 'self' }) });
  const { status, body } = await demand(`${backend.url}/api/report/call?${query}`, token);
  return { status, body: JSON.parse(body) };
}

// ===== taking tokens apart =====

/** The limited token of a user token: whoever has the one can make the other. */
export function limitedOf(token) {
  const [{ alg, kid }, { sub, iat, exp, uip }] = [header(token), claims(token)];
  return [{ typ: 'vnd.backstage.limited-user', alg, kid }, { sub, iat, exp }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .concat(uip)
    .join('.');
}

export const claims = (token) => decode(token.split('.')[1]);

export const header = (token) => decode(token.split('.')[0]);

const decode = (segment) => JSON.parse(Buffer.from(segment, 'base64url').toString());

/** The token with one byte of what a segment (0, 1 or 2) encodes changed. */
export function tampered(token, segment) {
  const segments = token.split('.');
  const bytes = Buffer.from(segments[segment], 'base64url');
  bytes[bytes.length >> 1] ^= 1;
  segments[segment] = bytes.toString('base64url');
  return segments.join('.');
}

export const SEGMENTS = ['header', 'payload', 'signature'];
