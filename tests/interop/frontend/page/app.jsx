// The page under test: a Backstage app as `createApp` makes it, with the three ways to sign in.
//
// Everything that speaks to the portal is published code; ours only puts it on the page, and hands the
// app's APIs to the tests as `window.backstage`.

import { createApp } from '@backstage/app-defaults';
import { AppRouter, GithubAuth, OAuth2 } from '@backstage/core-app-api';
import {
  AlertDisplay,
  OAuthRequestDialog,
  ProxiedSignInPage,
  SignInPage,
} from '@backstage/core-components';
import {
  configApiRef,
  createApiFactory,
  createApiRef,
  discoveryApiRef,
  fetchApiRef,
  githubAuthApiRef,
  googleAuthApiRef,
  identityApiRef,
  oauthRequestApiRef,
  useApi,
  useApiHolder,
} from '@backstage/core-plugin-api';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

// ===== the providers that `createApp` does not have =====

const corpAuthApiRef = createApiRef({ id: 'auth.corp' });
const githubAppAuthApiRef = createApiRef({ id: 'auth.github-app' });

function authFactory(api, Auth, options) {
  const deps = { discoveryApi: discoveryApiRef, oauthRequestApi: oauthRequestApiRef, configApi: configApiRef };
  const factory = (apis) =>
    Auth.create({ ...apis, environment: apis.configApi.getOptionalString('auth.environment'), ...options });
  return createApiFactory({ api, deps, factory });
}

const apis = [
  // As Backstage's documentation has it for any OpenID Connect provider.
  authFactory(corpAuthApiRef, OAuth2, {
    provider: { id: 'corp', title: 'Corp', icon: () => null },
    defaultScopes: ['openid', 'profile', 'email'],
  }),
  authFactory(githubAppAuthApiRef, GithubAuth, {
    provider: { id: 'github-app', title: 'GitHub App', icon: () => null },
  }),
];

const GITHUB = {
  id: 'github-auth-provider',
  title: 'GitHub',
  message: 'Sign in using GitHub',
  apiRef: githubAuthApiRef,
};
const CORP = { id: 'corp-auth-provider', title: 'Corp', message: 'Sign in using Corp', apiRef: corpAuthApiRef };

// ===== what the page shows =====

/** Which sign-in page a path shows: the first of its segments, see site.mjs. */
const SIGN_IN_PAGES = {
  several: (props) => <SignInPage {...props} providers={['guest', GITHUB, CORP]} />,
  single: (props) => <SignInPage {...props} provider={CORP} />,
  proxied: (props) => <ProxiedSignInPage {...props} provider="guest" />,
  absent: (props) => <ProxiedSignInPage {...props} provider="absent" ErrorComponent={Failure} />,
};

function Failure({ error }) {
  return <p role="alert">{`${error.name}, ${error.cause?.name}: ${error.message}`}</p>;
}

/** Gives the tests the APIs that the app itself uses. */
function usePublishedApis() {
  const holder = useApiHolder();
  window.backstage = {
    github: holder.get(githubAuthApiRef),
    corp: holder.get(corpAuthApiRef),
    githubApp: holder.get(githubAppAuthApiRef),
    google: holder.get(googleAuthApiRef),
    identity: holder.get(identityApiRef),
    fetch: holder.get(fetchApiRef).fetch,
    backend: holder.get(configApiRef).getString('backend.baseUrl'),
  };
}

function SignIn(props) {
  usePublishedApis();
  const kind = useApi(configApiRef).getString('tests.signInPage');
  return SIGN_IN_PAGES[kind](props);
}

function Home() {
  usePublishedApis();
  const identityApi = useApi(identityApiRef);
  const [who, setWho] = useState();
  useEffect(() => {
    identityApi.getBackstageIdentity().then(setWho);
  }, [identityApi]);
  return who ? (
    <main>
      <h1>{who.userEntityRef}</h1>
      <button type="button" onClick={() => identityApi.signOut()}>Sign out</button>
    </main>
  ) : null;
}

const App = createApp({ apis, components: { SignInPage: SignIn } }).createRoot(
  <>
    <AlertDisplay />
    <OAuthRequestDialog />
    <AppRouter>
      <Home />
    </AppRouter>
  </>,
);

createRoot(document.getElementById('root')).render(<App />);
