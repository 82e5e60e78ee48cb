// A plugin that says whom the backend takes its caller for, and hands out tokens of every kind.
//
// For tests only: nobody should be able to ask a real backend for these.

const { coreServices, createBackendPlugin } = require('@backstage/backend-plugin-api');
const { InputError } = require('@backstage/errors');

const { routes } = require('./routes.cjs');

/** Which callers reach which path; where nothing is said, users and services do, by full tokens. */
const POLICIES = [
  { path: '/credentials', allow: 'unauthenticated' },
  { path: '/cookie', allow: 'user-cookie' },
  { path: '/user-info', allow: 'user-cookie' },
];

exports.reporter = (pluginId) =>
  createBackendPlugin({
    pluginId,
    register(env) {
      env.registerInit({
        deps: {
          auth: coreServices.auth,
          discovery: coreServices.discovery,
          httpAuth: coreServices.httpAuth,
          httpRouter: coreServices.httpRouter,
          userInfo: coreServices.userInfo,
        },
        async init({ httpRouter, ...services }) {
          const handlers = routes(services);
          POLICIES.forEach((policy) => httpRouter.addAuthPolicy(policy));
          httpRouter.use((req, res, next) => {
            const handler = Object.hasOwn(handlers, req.path) && handlers[req.path];
            if (!handler) return next();
            const wanted = (name) => {
              if (typeof req.query[name] === 'string') return req.query[name];
              throw new InputError(`'${name}' is missing in the query`);
            };
            handler(req, wanted).then((body) => res.json(body), next);
          });
        },
      });
    },
  });
