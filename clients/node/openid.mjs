// oauth4webapi, which is strict about what the RFCs say: discovery, the device grant, a signed id_token, refresh and
// revocation. Google's dialect has to be met half-way, and only here: see the two comments.

import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import { clientId, clientSecret, control, driveFile, owner, url } from "./common.mjs";

const insecure = { [oauth.allowInsecureRequests]: url.startsWith("http:") };
const issuer = new URL(url);
const server = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { ...insecure, algorithm: "oidc" }),
);
const client = { client_id: clientId };
const authentication = oauth.ClientSecretPost(clientSecret);

// Google says `verification_url`; RFC 8628 and this library say `verification_uri`.
const scope = new URLSearchParams({ scope: `openid email ${driveFile}` });
const answer = await oauth.deviceAuthorizationRequest(server, client, oauth.None(), scope, insecure);
const { verification_url, ...rest } = await answer.json();
const code = await oauth.processDeviceAuthorizationResponse(
  server,
  client,
  Response.json({ ...rest, verification_uri: verification_url }),
);
assert.equal(code.verification_uri, `${url}/device`);

const poll = () => oauth.deviceCodeGrantRequest(server, client, authentication, code.device_code, insecure);
const pending = await poll();
// The RFC's status is 400; Google's is 428.
assert.equal(pending.status, 428);
assert.equal((await pending.json()).error, "authorization_pending");
await control("approve", { user_code: code.user_code, account: owner });
await control("clock", { advance: code.interval });
const granted = await poll();
const tokens = await oauth.processDeviceCodeResponse(server, client, granted);
// The clock was stepped ahead, so that the claims may be of the future.
const claims = oauth.getValidatedIdTokenClaims(tokens);
assert.equal(claims.iss, url);
assert.equal(claims.aud, clientId);
assert.equal(claims.email, owner);
await oauth.validateApplicationLevelSignature(server, granted, insecure);

const person = await oauth.processUserInfoResponse(
  server,
  client,
  claims.sub,
  await oauth.userInfoRequest(server, client, tokens.access_token, insecure),
);
assert.equal(person.email, owner);

const refreshed = await oauth.processRefreshTokenResponse(
  server,
  client,
  await oauth.refreshTokenGrantRequest(server, client, authentication, tokens.refresh_token, insecure),
);
assert.notEqual(refreshed.access_token, tokens.access_token);
assert.equal(refreshed.refresh_token, undefined);

const revoked = await oauth.revocationRequest(server, client, authentication, tokens.refresh_token, insecure);
await oauth.processRevocationResponse(revoked);
const dead = await oauth.refreshTokenGrantRequest(server, client, authentication, tokens.refresh_token, insecure);
await assert.rejects(oauth.processRefreshTokenResponse(server, client, dead), { error: "invalid_grant" });
