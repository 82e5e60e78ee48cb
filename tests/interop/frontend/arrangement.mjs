// Where the page and the portal's API are: at one origin, or at two.

import { startPortal } from './portal.mjs';
import { openSite } from './site.mjs';

/** Page and API at one origin, as where one server serves both. */
export async function sameOrigin(parts) {
  const site = await openSite();
  return arrange(parts, site, site);
}

/** The page at one port, the API at another, which allows the page's origin: the portal's own `backend.cors`. */
export async function twoOrigins(parts) {
  return arrange(parts, await openSite(), await openSite());
}

async function arrange({ providers, script }, pageSite, apiSite) {
  // Two more names for all of it: one that the portal's configuration allows, and one that it does not mention.
  const [sister, stranger] = [await openSite(), await openSite()];
  const sites = new Set([pageSite, apiSite, sister, stranger]);
  const close = () => Promise.all([...sites].map((site) => site.close()));
  const urls = { appUrl: pageSite.origin, backendUrl: apiSite.origin };
  // Otherwise the open ports would keep a failed run from ending.
  const portal = await startPortal({ ...urls, sisterUrl: sister.origin, providers }).catch(async (error) => {
    await close();
    throw error;
  });
  for (const site of [pageSite, sister, stranger]) site.page = { script, ...urls };
  for (const site of [apiSite, sister, stranger]) site.upstream = portal.address;
  return {
    pageOrigin: pageSite.origin,
    sisterOrigin: sister.origin,
    strangerOrigin: stranger.origin,
    providerUrl: providers.corp.url,
    backendUrl: apiSite.origin,
    stop: async () => {
      await close();
      await portal.stop();
    },
  };
}
