// Where the page and the portal's API are: at one origin, or at two.

import { startPortal } from './portal.mjs';
import { openSite } from './site.mjs';

/** Page and API at one origin, as where one server serves both. */
export async function sameOrigin({ providers, script }) {
  const site = await openSite();
  const urls = { appUrl: site.origin, backendUrl: site.origin };
  return arrange({ ...urls, providers, script, pageSite: site, apiSite: site, sites: [site] });
}

/** The page at one port, the API at another, which allows the page's origin (`backend.cors`). */
export async function twoOrigins({ providers, script }) {
  const [pageSite, apiSite] = [await openSite(), await openSite()];
  apiSite.allowedOrigin = pageSite.origin;
  const urls = { appUrl: pageSite.origin, backendUrl: apiSite.origin };
  return arrange({ ...urls, providers, script, pageSite, apiSite, sites: [pageSite, apiSite] });
}

async function arrange({ appUrl, backendUrl, providers, script, pageSite, apiSite, sites }) {
  // Another name for all of it, which the portal's configuration does not mention.
  const stranger = await openSite();
  const portal = await startPortal({ appUrl, backendUrl, providers });
  pageSite.page = stranger.page = { script, appUrl, backendUrl };
  apiSite.upstream = stranger.upstream = portal.address;
  return {
    pageOrigin: pageSite.origin,
    strangerOrigin: stranger.origin,
    providerUrl: providers.corp.url,
    backendUrl,
    stop: async () => {
      await Promise.all([...sites, stranger].map((site) => site.close()));
      await portal.stop();
    },
  };
}
