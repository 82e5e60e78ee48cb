// A Backstage backend of published packages: `node main.cjs --config FILE`.
//
// With `auth.providers` in its configuration it has an auth-backend of its own; without, it relies
// on whatever `discovery.endpoints` names as its `auth`.

const { createBackend } = require('@backstage/backend-defaults');
const { coreServices, createBackendFeatureLoader } = require('@backstage/backend-plugin-api');

const { reporter } = require('./reporter.cjs');

const ownAuth = createBackendFeatureLoader({
  deps: { config: coreServices.rootConfig },
  loader({ config }) {
    if (!config.has('auth.providers')) return [];
    return [
      require('@backstage/plugin-auth-backend').default,
      require('@backstage/plugin-auth-backend-module-github-provider').default,
      require('@backstage/plugin-auth-backend-module-guest-provider').default,
    ];
  },
});

const backend = createBackend();
backend.add(ownAuth);
// Two of a kind, so that one can call the other.
backend.add(reporter('report'));
backend.add(reporter('relay'));
backend.start();
