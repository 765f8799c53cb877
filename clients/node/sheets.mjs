// Google's own library for Node: refresh, Sheets and Drive.

import assert from "node:assert/strict";
import { google } from "googleapis";
import { clientId, clientSecret, control, driveFile, owner, url } from "./common.mjs";

const post = async (path, form) => {
  const reply = await fetch(url + path, { method: "POST", body: new URLSearchParams(form) });
  return reply.json();
};
const code = await post("/device/code", { client_id: clientId, scope: driveFile });
await control("approve", { user_code: code.user_code, account: owner });
const tokens = await post("/token", {
  client_id: clientId,
  client_secret: clientSecret,
  device_code: code.device_code,
  grant_type: "urn:ietf:params:oauth:grant-type:device_code",
});

const auth = new google.auth.OAuth2({
  clientId,
  clientSecret,
  endpoints: { oauth2TokenUrl: `${url}/token`, oauth2RevokeUrl: `${url}/revoke`, tokenInfoUrl: `${url}/tokeninfo` },
});
auth.setCredentials({ refresh_token: tokens.refresh_token });
const rootUrl = `${url}/`;
const sheets = google.sheets({ version: "v4", auth, rootUrl }).spreadsheets;
const drive = google.drive({ version: "v3", auth, rootUrl });

const { data: made } = await sheets.create({
  requestBody: { properties: { title: "From Node" }, sheets: [{ properties: { title: "Log", sheetId: 7 } }] },
});
const spreadsheetId = made.spreadsheetId;
const values = [["in", 8.5, true], ["out", 17, false]];
const { data: appended } = await sheets.values.append({
  spreadsheetId,
  range: "Log",
  valueInputOption: "RAW",
  requestBody: { values },
});
assert.equal(appended.updates.updatedRange, "Log!A1:C2");
const { data: read } = await sheets.values.get({
  spreadsheetId,
  range: "'Log'!A1:C9",
  valueRenderOption: "UNFORMATTED_VALUE",
});
assert.deepEqual(read.values, values);
const { data: batch } = await sheets.batchUpdate({
  spreadsheetId,
  requestBody: {
    requests: [
      { appendCells: { sheetId: 7, fields: "userEnteredValue", rows: [{ values: [{ userEnteredValue: { stringValue: "=1" } }] }] } },
      { updateSheetProperties: { properties: { sheetId: 7, title: "Clock" }, fields: "title" } },
    ],
    includeSpreadsheetInResponse: true,
  },
});
assert.equal(batch.updatedSpreadsheet.sheets[0].properties.title, "Clock");
const { data: last } = await sheets.values.get({ spreadsheetId, range: "Clock!A3", valueRenderOption: "FORMULA" });
assert.deepEqual(last.values, [["=1"]]);
await assert.rejects(sheets.get({ spreadsheetId: "nobody" }), { status: 404 });
await assert.rejects(
  sheets.batchUpdate({ spreadsheetId, requestBody: { requests: [] } }),
  /Must specify at least one request/,
);

const { data: list } = await drive.files.list({ q: "name = 'From Node' and trashed = false", fields: "files(id,trashed)" });
assert.deepEqual(list.files, [{ id: spreadsheetId, trashed: false }]);
const { data: renamed } = await drive.files.update({ fileId: spreadsheetId, requestBody: { name: "Renamed" } });
assert.equal(renamed.name, "Renamed");
await drive.files.delete({ fileId: spreadsheetId });
await assert.rejects(drive.files.get({ fileId: spreadsheetId }), /File not found/);

await control("revoke", { account: owner });
auth.setCredentials({ refresh_token: tokens.refresh_token });
await assert.rejects(sheets.get({ spreadsheetId }), /invalid_grant/);
