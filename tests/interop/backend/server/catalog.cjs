// A Backstage backend with its catalog and nothing else: `node catalog.cjs --config FILE`.

const { createBackend } = require('@backstage/backend-defaults');
const { coreServices, createServiceFactory } = require('@backstage/backend-plugin-api');

// The default one loads clients for clouds; here only files are read.
const urlReader = createServiceFactory({
  service: coreServices.urlReader,
  deps: {},
  factory: () => ({}),
});

const backend = createBackend();
backend.add(urlReader);
backend.add(require('@backstage/plugin-catalog-backend').default);
backend.start();
