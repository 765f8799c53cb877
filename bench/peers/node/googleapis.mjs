// npm googleapis: OAuth2 with saved tokens, `values.append`, and gaxios' own retrying, allowed for POST too.

import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

// The modules lie where `cargo xtask clients` installs them.
const { google } = createRequire(process.env.MODULES + "/")("googleapis");

const url = process.env.URL;
const saved = JSON.parse(readFileSync("token.json"));
const auth = new google.auth.OAuth2({
  clientId: "emulator-client",
  clientSecret: "emulator-secret",
  endpoints: { oauth2TokenUrl: `${url}/token` },
});
auth.setCredentials({ access_token: saved.token, refresh_token: saved.refresh_token, expiry_date: saved.expires_at * 1000 });
auth.on("tokens", (tokens) => {
  const kept = { ...saved, token: tokens.access_token, expires_at: tokens.expiry_date / 1000 };
  writeFileSync("token.json", JSON.stringify(kept));
});
const { values } = google.sheets({ version: "v4", auth, rootUrl: `${url}/` }).spreadsheets;
const retryConfig = {
  retry: 8,
  noResponseRetries: 8,
  httpMethodsToRetry: ["POST"],
  statusCodesToRetry: [[429, 429], [500, 599]],
};
const append = (rows) =>
  values.append(
    { spreadsheetId: process.env.SHEET, range: "Log", valueInputOption: "RAW", requestBody: { values: rows } },
    { retry: true, retryConfig },
  );

if (process.argv[2] === "boot") {
  await append([["2026-11-22T08:00:00Z", "bench", 0, 21.5, "boot"]]);
} else {
  const most = 10_000;
  const waiting = [];
  let over = false;
  let wake = () => {};
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    waiting.push(JSON.parse(line));
    if (waiting.length >= most) lines.pause();
    wake();
  });
  lines.on("close", () => {
    over = true;
    wake();
  });
  let done = 0;
  while (!over || waiting.length) {
    if (!waiting.length) await new Promise((resolve) => (wake = resolve));
    const rows = waiting.splice(0, most);
    lines.resume();
    if (!rows.length) continue;
    await append(rows);
    done += rows.length;
    console.log(done);
  }
}
