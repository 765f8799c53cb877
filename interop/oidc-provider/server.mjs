// An oidc-provider (npm, see package.json) on loopback, as a device meets it: device flow with a secret that must be
// percent-encoded in `Basic`, rotation of refresh tokens with reuse detection, revocation, and short lives so that
// expiry can be waited for. `node server.mjs PORT`; one line on stdout when it answers.
import { Provider } from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const device = {
  grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
  redirect_uris: [],
  response_types: [],
};

const provider = new Provider(issuer, {
  clients: [
    // RFC 6749 section 2.3.1: id and secret are form-encoded before they are joined. Sent raw, this one is refused.
    { ...device, client_id: 'box', client_secret: 'correct horse+battery/staple%', token_endpoint_auth_method: 'client_secret_basic' },
    { ...device, client_id: 'public-box', token_endpoint_auth_method: 'none' },
    { ...device, client_id: 'post box', client_secret: 'p%2B&= +', token_endpoint_auth_method: 'client_secret_post' },
    // Its codes live for seconds.
    { ...device, client_id: 'hasty-box', token_endpoint_auth_method: 'none' },
  ],
  features: { deviceFlow: { enabled: true }, revocation: { enabled: true }, devInteractions: { enabled: true } },
  scopes: ['openid', 'offline_access', 'rows', 'times'],
  rotateRefreshToken: true,
  ttl: {
    AccessToken: 3600,
    DeviceCode: (ctx, token, client) => (client.clientId === 'hasty-box' ? 8 : 120),
    Grant: 3600,
    IdToken: 3600,
    Interaction: 120,
    RefreshToken: 3600,
    Session: 3600,
  },
});

provider.listen(port, '127.0.0.1', () => console.log(`listening on ${issuer}`));
