// Backstage's own frontend, as published, against the portal: what `createApp` makes, in a real browser.
//
//   npm ci --ignore-scripts && node --test frontend.mjs
//
// `PORTAL_BIN` names a portal that is built already; otherwise cargo builds it. `CHROMIUM` names
// another browser than Debian's. Nothing leaves the machine.

import { after, before, describe } from 'node:test';

import { START_MS } from '../../support/examples.mjs';
import { sameOrigin, twoOrigins } from './arrangement.mjs';
import { launch } from './browser.mjs';
import { bundle } from './bundle.mjs';
import { app } from './journeys/app.mjs';
import { github } from './journeys/github.mjs';
import { popup } from './journeys/popup.mjs';
import { redirect } from './journeys/redirect.mjs';
import { refusals } from './journeys/refusals.mjs';
import { session } from './journeys/session.mjs';
import { tabs } from './journeys/tabs.mjs';
import { startProviders } from './portal.mjs';

const JOURNEYS = [popup, session, redirect, refusals, tabs, app, github];

let browser;
let providers;
let script;

before(async () => {
  script = await bundle();
  providers = await startProviders();
  browser = await launch();
}, { timeout: START_MS });

after(async () => {
  await browser?.close();
  await providers?.stop();
});

for (const [name, arrange, separate] of [
  ['page and API at one origin', sameOrigin, false],
  ['page and API at two origins', twoOrigins, true],
]) {
  describe(name, { timeout: 5 * 60_000 }, () => {
    // The tests are named before anything runs: what they run against is filled in here.
    const arrangement = { separate };
    before(async () => Object.assign(arrangement, await arrange({ providers, script }), { browser }), {
      timeout: START_MS,
    });
    after(() => arrangement.stop?.());
    for (const journey of JOURNEYS) journey(arrangement);
  });
}
