// The portal's page: shows who is signed in, and signs people in and out.
//
// It holds no secret. The session is a cookie no script can read, and what a sign-in window reports
// is used for one thing only: to know that it is time to ask the server again.

const $ = (id) => document.getElementById(id);

/** A script of another origin cannot send this header without asking first. */
const OURS = { 'X-Requested-With': 'XMLHttpRequest' };

/** How often a sign-in window is looked at. The frame in it waits this long before it closes. */
const POLL_MS = 100;

let config;
let popup = null;
let portalToken = null;
let expiry;

// ===== what is shown =====

const VIEWS = ['signed-out', 'signed-in', 'unavailable'];

/** Shows one view. Moves the focus to its heading only if the reader caused the change. */
function show(view, moveFocus) {
  for (const id of VIEWS) $(id).hidden = id !== view;
  document.documentElement.dataset.view = view;
  if (moveFocus) $(view).querySelector('h1').focus();
}

/** Says something that matters for a moment; screen readers read it out. */
function say(text) {
  $('status').textContent = text;
}

/** Says what went wrong, next to the buttons that try again; an empty text takes it back. */
function warn(text) {
  $('alert').textContent = text;
  $('alert').hidden = text === '';
  if (text !== '') say('');
}

function showSignedOut(moveFocus) {
  $('providers').replaceChildren(...config.providers.map(providerItem));
  show('signed-out', moveFocus);
}

function showSignedIn(who, moveFocus) {
  warn('');
  const name = who.displayName || who.subject;
  $('name').textContent = name;
  $('subject').textContent = who.subject;
  showAvatar(name, who.picture);

  $('ownership').replaceChildren(
    ...(who.ownership ?? []).map((entityRef) => element('li', entityRef)),
  );
  $('facts').replaceChildren(
    ...fact('E-mail', who.email),
    ...fact('Method', who.method),
    ...fact('Provider', titleOf(who.provider)),
    ...fact('Issuer', who.issuer),
    ...fact('Scopes', (who.scopes ?? []).join(' ')),
    ...fact('Expires', who.expiresAt && localTime(who.expiresAt)),
  );
  $('answer').textContent = JSON.stringify(who, null, 2);
  $('sign-out').hidden = !(who.provider || portalToken);
  $('sign-out').onclick = () =>
    signOut(who.provider).catch(() => say('Signing out did not work. Please try again.'));
  show('signed-in', moveFocus);
}

/** The picture if the page's policy lets it load, the initials otherwise. */
function showAvatar(name, picture) {
  const initials = name.replace(/^.*[:/]/, '').split(/[\s._-]+/).filter(Boolean);
  $('avatar').textContent = [initials[0], initials.at(1) && initials.at(-1)]
    .filter(Boolean)
    .map((part) => [...part][0].toUpperCase())
    .join('');
  const url = picture && URL.canParse(picture, location.href) && new URL(picture, location.href);
  if (url && (url.origin === location.origin || url.protocol === 'data:')) {
    const image = element('img');
    image.alt = '';
    image.src = url.href;
    $('avatar').replaceChildren(image);
  }
}

function providerItem(provider) {
  const item = $('provider').content.cloneNode(true);
  const button = item.querySelector('button');
  item.querySelector('.glyph').textContent = [...provider.title][0];
  item.querySelector('.label').textContent = `Continue with ${provider.title}`;
  button.dataset.provider = provider.id;
  button.addEventListener('click', () => signIn(provider));

  const plain = item.querySelector('.plain');
  if (provider.kind === 'proxy') {
    plain.remove();
  } else {
    plain.href = startUrl(provider, 'redirect');
    plain.setAttribute('aria-label', `Continue with ${provider.title} without a popup`);
  }
  return item;
}

function fact(term, value) {
  if (!value) return [];
  const definition = element('dd');
  definition.append(value);
  return [element('dt', term), definition];
}

function localTime(instant) {
  const time = element('time');
  const date = new Date(instant);
  time.dateTime = instant;
  time.textContent = date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  return time;
}

function titleOf(id) {
  return config.providers.find((provider) => provider.id === id)?.title ?? id;
}

function element(name, text = '') {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

// ===== who is calling =====

/** Asks the server who this is, and shows the answer. */
async function refresh({ moveFocus = true } = {}) {
  clearTimeout(expiry);
  let answer = await whoami();
  if (answer.status === 401 && portalToken) {
    // The token is over, or was never good here. Either way it is of no more use.
    portalToken = null;
    answer = await whoami();
  }
  if (answer.status === 401) {
    showSignedOut(moveFocus);
    return null;
  }
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);

  const who = await answer.json();
  showSignedIn(who, moveFocus);
  const left = Date.parse(who.expiresAt) - Date.now();
  // Timers count in 31 bits: whatever ends later than that outlives the page anyway.
  if (left > 0 && left < 2 ** 31) {
    expiry = setTimeout(() => guarded(() => refresh({ moveFocus: false })), left + 1000);
  }
  return who;
}

function whoami() {
  const authorization = portalToken ? { Authorization: `Bearer ${portalToken}` } : {};
  return fetch('/api/whoami', { headers: { ...OURS, ...authorization } });
}

// ===== signing in =====

async function signIn(provider) {
  warn('');
  try {
    await (provider.kind === 'proxy' ? signInByProxy(provider) : signInByPopup(provider));
    await signedIn(provider);
  } catch (error) {
    say('');
    warn(error.message);
  }
}

async function signedIn(provider) {
  const who = await refresh();
  if (!who) throw new Error(`${provider.title} answered, but no session came of it.`);
  say(`You are signed in as ${who.displayName || who.subject}.`);
}

/** Resolves once the sign-in window has reported a success; this is Backstage's popup protocol. */
function signInByPopup(provider) {
  popup?.close();
  const [width, height] = [450, 730];
  const left = Math.max(0, window.screenX + (window.outerWidth - width) / 2);
  const top = Math.max(0, window.screenY + (window.outerHeight - height) / 2);
  const opened = window.open(
    startUrl(provider, 'popup'),
    '_blank',
    `popup,width=${width},height=${height},top=${top},left=${left}`,
  );
  if (!opened) {
    say('The browser blocked the sign-in window, so this page takes you there.');
    location.assign(startUrl(provider, 'redirect'));
    return new Promise(() => {});
  }
  popup = opened;
  say(`Waiting for you to sign in with ${provider.title} in the other window.`);

  return new Promise((resolve, reject) => {
    let targetOrigin = location.origin;

    const hear = (event) => {
      // Any page can post to this one. Only the window opened here, while it shows our own origin,
      // speaks for the sign-in.
      if (event.source !== opened || event.origin !== location.origin) return;
      const message = event.data;
      if (message?.type === 'config_info') {
        targetOrigin = message.targetOrigin;
      } else if (message?.type === 'authorization_response') {
        stop();
        if (Object.hasOwn(message, 'error')) {
          reject(new Error(sentence(message.error)));
        } else {
          resolve();
        }
      }
    };
    const watch = setInterval(() => {
      if (!opened.closed) return;
      stop();
      if (opened !== popup) {
        // Another attempt took over: this one has nothing more to say.
      } else if (targetOrigin !== location.origin) {
        reject(new Error(`This page is not where sign-ins report to: ${targetOrigin} is.`));
      } else {
        reject(new Error('The sign-in window was closed before you were signed in.'));
      }
    }, POLL_MS);
    const stop = () => {
      clearInterval(watch);
      window.removeEventListener('message', hear);
    };
    window.addEventListener('message', hear);
  });
}

/** Signs in where something in front of the portal, or nothing at all, vouches for the person. */
async function signInByProxy(provider) {
  const answer = await fetch(`${config.base}/${encodeURIComponent(provider.id)}/refresh`, {
    headers: OURS,
  });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(sentence(body.error, `${provider.title} is not available.`));
  // Such a sign-in may come without a cookie. Then its token, in memory only, is the session.
  if ((await whoami()).status === 401) portalToken = body.backstageIdentity?.token ?? null;
}

function startUrl(provider, flow) {
  const query = new URLSearchParams({ scope: '', origin: location.origin, flow });
  query.set('env', config.environment);
  if (flow === 'redirect') query.set('redirectUrl', location.href);
  return `${config.base}/${encodeURIComponent(provider.id)}/start?${query}`;
}

/** What an error of the protocol says, as text. It only ever becomes `textContent`. */
function sentence(error, otherwise = 'The sign-in failed.') {
  return [error?.name, error?.message].filter((part) => typeof part === 'string' && part).join(': ')
    || otherwise;
}

// ===== signing out =====

/** Set while the browser is away, signing out at the provider. */
const LEFT = 'signed-out-at';

/** The tab's memory. A browser that takes no cookies has none, and says so by an error. */
function storage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

async function signOut(provider) {
  if (portalToken) {
    portalToken = null;
  } else if (await endSession(provider)) {
    return;
  }
  await refresh();
  say('You are signed out.');
}

/** Ends the session at the server. True if the browser leaves, to end it at the provider as well. */
async function endSession(provider) {
  const query = new URLSearchParams({ env: config.environment });
  const answer = await fetch(`${config.base}/${encodeURIComponent(provider)}/logout?${query}`, {
    method: 'POST',
    headers: OURS,
  });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  // An empty body means there is nowhere else to sign out.
  const { logoutUrl } = await answer.json().catch(() => ({}));
  if (logoutUrl) {
    // The provider sends the browser back here; then the page says what has happened.
    storage()?.setItem(LEFT, provider);
    location.assign(logoutUrl);
  }
  return Boolean(logoutUrl);
}

// ===== the start =====

/** Runs `work`; if the server does not answer as agreed, shows that instead of a dead page. */
async function guarded(work) {
  try {
    await work();
  } catch (error) {
    console.warn(error);
    show('unavailable', false);
  }
}

async function start() {
  // A failed sign-in comes back with its message in the URL. Anybody can write such a URL, so the
  // page says that it failed and no more, and takes the text out before it is shared or kept.
  const here = new URL(location.href);
  const failed = here.searchParams.has('error');
  if (failed) {
    here.searchParams.delete('error');
    history.replaceState(null, '', here);
  }

  const answer = await fetch('/portal.json', { headers: OURS });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  config = await answer.json();
  $('environment').textContent = config.environment;
  $('environment').hidden = config.environment === 'production';

  const who = await refresh({ moveFocus: false });
  const left = (storage()?.getItem(LEFT) ?? null) !== null;
  storage()?.removeItem(LEFT);
  if (left && !who) say('You are signed out.');
  if (failed && !who) warn('That sign-in did not work. You can try again, or choose another account.');
}

$('retry').addEventListener('click', () => guarded(start));
guarded(start);
