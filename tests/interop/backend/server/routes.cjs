// What the reporter answers. Each handler gets the request and a reader of its query.

exports.routes = ({ auth, discovery, httpAuth, userInfo }) => {
  /** The caller, by a full token only: a limited one gets no further token. */
  const caller = (req) => httpAuth.credentials(req, { allow: ['user', 'service'] });

  /** A token for the plugin `target`: on behalf of the caller, or with `as=self` for this plugin alone. */
  const pluginToken = async (req, wanted) => {
    const credentials = await caller(req);
    return auth.getPluginRequestToken({
      onBehalfOf: req.query.as === 'self' ? await auth.getOwnServiceCredentials() : credentials,
      targetPluginId: wanted('target'),
    });
  };

  return {
    '/credentials': (req) =>
      httpAuth.credentials(req, { allow: ['user', 'service', 'none'], allowLimitedAccess: true }),

    '/strict': caller,

    '/cookie': (req) => httpAuth.credentials(req, { allow: ['user'], allowLimitedAccess: true }),

    '/user-info': async (req) =>
      userInfo.getUserInfo(
        await httpAuth.credentials(req, { allow: ['user'], allowLimitedAccess: true }),
      ),

    '/tokens/limited': async (req) => auth.getLimitedUserToken(await caller(req)),

    '/tokens/plugin': pluginToken,

    // What `path` of the plugin `target` answers to such a token, wherever discovery finds it.
    '/call': async (req, wanted) => {
      const { token } = await pluginToken(req, wanted);
      const url = (await discovery.getBaseUrl(wanted('target'))) + wanted('path');
      const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
      return { url, status: response.status, body: await response.text() };
    },
  };
};
