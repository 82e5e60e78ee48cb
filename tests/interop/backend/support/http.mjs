// One HTTP request, with no header but those asked for: `fetch` adds a `Sec-Fetch-Mode` that only
// pages in browsers have, and no sign-in starts for them.

import { request } from 'node:http';

/** `{ url, status, headers, text }` of the answer; redirects are not followed. */
export function send(url, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const form = body && { 'content-type': 'application/x-www-form-urlencoded' };
    const sent = request(url, { method, headers: { ...form, ...headers } }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        resolve({ url, status: response.statusCode, headers: headersOf(response), text });
      });
    });
    sent.on('error', reject);
    sent.end(body?.toString());
  });
}

function headersOf({ rawHeaders }) {
  const headers = new Headers();
  for (let at = 0; at < rawHeaders.length; at += 2) headers.append(rawHeaders[at], rawHeaders[at + 1]);
  return headers;
}
