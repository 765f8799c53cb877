// The owner's browser: the walk through sign-in, the viewer, edits by hand and the switches, in a real headless Chromium.
// Pictures of each step go to $PICTURES.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { clientId, clientSecret, control, driveFile, owner, url } from "./common.mjs";

const post = async (path, form) => {
  const reply = await fetch(url + path, { method: "POST", body: new URLSearchParams(form) });
  return { status: reply.status, body: await reply.json() };
};
const { body: code } = await post("/device/code", { client_id: clientId, scope: `openid email ${driveFile}` });
const poll = () =>
  post("/token", {
    client_id: clientId,
    client_secret: clientSecret,
    device_code: code.device_code,
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
  });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
});
try {
  // A phone, because the code is typed on one; the certificate is the emulator's own.
  const phone = { viewport: { width: 390, height: 780 }, ignoreHTTPSErrors: true };
  const page = await (await browser.newContext(phone)).newPage();
  page.setDefaultTimeout(20_000);
  const troubles = [];
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
  const picture = async (name) => {
    await page.screenshot({ path: `${process.env.PICTURES}/${name}.png` });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wide <= 0, `${name} is ${wide} pixels too wide for its screen`);
  };

  await page.goto(code.verification_url);
  assert.equal(await page.evaluate(() => document.activeElement.id), "user_code", "one can type at once");
  await page.keyboard.type("bbbb bbbb");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  await picture("1-wrong-code");
  // The browser says so when a page answers 400; that is no trouble.
  troubles.length = 0;
  await page.getByLabel("Enter the code displayed on your device").fill(code.user_code.toLowerCase().replace("-", " "));
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Choose an account" }).waitFor();
  await page.getByRole("textbox").fill(owner);
  await picture("2-account");
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByRole("heading", { name: "wants access" }).waitFor();
  await page.getByText(code.user_code).waitFor();
  assert.equal(await page.getByRole("checkbox", { checked: true }).count(), 3);
  // One scope is not given.
  await page.getByRole("checkbox", { name: "See your email address" }).uncheck();
  await picture("3-consent");
  await page.getByRole("button", { name: "Allow" }).click();
  await page.getByRole("heading", { name: "Device connected" }).waitFor();
  await picture("4-connected");
  const { body: tokens } = await poll();
  assert.deepEqual(tokens.scope.split(" ").sort(), [driveFile, "openid"].sort());

  const api = async (path, body) => {
    const headers = { authorization: `Bearer ${tokens.access_token}`, "content-type": "application/json" };
    const reply = await fetch(`${url}/v4/spreadsheets${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: reply.status, body: await reply.json() };
  };
  const { body: made } = await api("", { properties: { title: "Workshop log" }, sheets: [{ properties: { title: "Log" } }] });
  const rows = (values) => api(`/${made.spreadsheetId}/values/Log:append?valueInputOption=RAW`, { values });
  await rows([["time", "grams"], ["08:01", 500]]);
  await page.goto(made.spreadsheetUrl);
  await page.getByRole("cell", { name: "08:01" }).waitFor();
  await page.getByLabel("Cell, such as B3").fill("B2");
  // A row arrives while the owner types, and what was typed stays.
  await rows([["08:02", 300]]);
  await page.getByRole("cell", { name: "08:02" }).waitFor();
  assert.equal(await page.getByLabel("Cell, such as B3").inputValue(), "B2");
  await page.getByLabel("Text, as Sheets reads it").fill("512");
  await page.getByRole("button", { name: "Type" }).click();
  await page.getByRole("cell", { name: "512" }).waitFor();
  await picture("5-viewer");

  // What programs and people write is text on the pages, never markup.
  const evil = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
  await rows([[evil, `'"><b id="broken">`]]);
  await page.getByText("<img src=x").first().waitFor();
  const batch = (...requests) => api(`/${made.spreadsheetId}:batchUpdate`, { requests });
  assert.equal((await batch({ addSheet: { properties: { title: evil } } })).status, 200);
  const apps = { client_id: "evil", client_secret: "x", name: evil, testing: true, unverified: true };
  await control("clients", { ...apps, blocked_domains: ["blocked.example"] });
  const { body: second } = await post("/device/code", { client_id: "evil", scope: driveFile });
  await page.goto(`${code.verification_url}?user_code=${second.user_code}`);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("textbox").fill("evil@example.com");
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByText("Nobody has verified this app").waitFor();
  await page.getByText("being tested").waitFor();
  await picture("5a-unverified");
  await page.getByRole("button", { name: "Deny" }).click();
  await page.getByRole("heading", { name: "Access denied" }).waitFor();

  // Nor are the names of accounts: among those to choose from, on every page behind that, on the index and over a sheet.
  // Whoever controls the emulator can make such; no browser would let one be typed.
  const names = ["example.com", "blocked.example"].map((domain) => `'"><img/src=x/onerror=document.title='owned'>@${domain}`);
  const tokensOf = async (account) => {
    const { body: asked } = await post("/device/code", { client_id: clientId, scope: driveFile });
    await control("approve", { user_code: asked.user_code, account });
    const grant_type = "urn:ietf:params:oauth:grant-type:device_code";
    return (await post("/token", { client_id: clientId, client_secret: clientSecret, device_code: asked.device_code, grant_type })).body;
  };
  const [theirs] = await Promise.all(names.map(tokensOf));
  const headers = { authorization: `Bearer ${theirs.access_token}`, "content-type": "application/json" };
  const named = JSON.stringify({ properties: { title: evil }, sheets: [{ properties: { title: evil } }] });
  const book = await (await fetch(`${url}/v4/spreadsheets`, { method: "POST", headers, body: named })).json();
  // What somebody asked for in vain stands on the index too.
  await fetch(`${url}/v4/spreadsheets/'"><img src=x onerror=document.title='owned'>`, { method: "PUT" });
  for (const [name, heading] of [[names[0], "Device connected"], [names[1], "Access blocked"]]) {
    const { body: third } = await post("/device/code", { client_id: "evil", scope: driveFile });
    await page.goto(`${code.verification_url}?user_code=${third.user_code}`);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("radio", { name }).check();
    if (name === names[0]) await picture("5b-accounts");
    await page.getByRole("button", { name: "Next" }).click();
    if (name === names[0]) {
      await page.getByText(`Account: ${name}`).waitFor();
      await page.getByRole("button", { name: "Allow" }).click();
    } else {
      await page.getByText(`The administrator of ${name}`).waitFor();
    }
    await page.getByRole("heading", { name: heading }).waitFor();
  }
  for (const [address, text] of [[book.spreadsheetUrl, `Owner ${names[0]}.`], [`${url}/`, `of ${names[0]}`]]) {
    await page.goto(address);
    await page.getByText(text).waitFor();
    assert.equal(await page.evaluate(() => document.querySelectorAll("img").length), 0, address);
    assert.notEqual(await page.title(), "owned", address);
  }
  await control("delete_spreadsheet", { spreadsheet_id: book.spreadsheetId });

  // The owner at work: a column more, a row less, sorted, the tab renamed; all with the keyboard and by labels.
  await page.goto(made.spreadsheetUrl);
  const by = async (legend, fields) => {
    const group = page.getByRole("group", { name: legend });
    for (const [label, text] of Object.entries(fields)) await group.getByLabel(label).fill(text);
    await group.getByRole("button", { name: legend }).focus();
    await Promise.all([page.waitForEvent("framenavigated"), page.keyboard.press("Enter")]);
    await page.waitForLoadState();
  };
  await by("Rename tab", { "New name": "Diary" });
  await page.getByRole("link", { name: "Diary", exact: true }).waitFor();
  await by("Add column", { "Before column": "A" });
  await by("Delete row", { "Row number": "1" });
  await by("Sort", { "By column": "B" });
  const cells = await page.locator("table.grid tbody tr:nth-child(1) td").allTextContents();
  assert.deepEqual(cells, ["", "08:01", "512"], "sorted, below no header, right of the new column");
  await by("Rename tab", { "New name": "Log" });
  assert.equal(await page.evaluate(() => [document.title, document.getElementById("broken")].join()), "Workshop log,");

  await page.goto(`${url}/`);
  await page.getByRole("button", { name: "The quota is used up" }).click();
  await page.waitForURL(`${url}/`);
  assert.equal((await rows([["x"]])).status, 429);
  await page.getByRole("button", { name: "All is well" }).click();
  await page.waitForURL(`${url}/`);
  assert.equal((await rows([["08:03", 200]])).status, 200);
  await page.getByRole("cell", { name: "429" }).first().waitFor();
  await picture("6-index");
  await page.setViewportSize({ width: 1280, height: 900 });
  await picture("7-index-wide");
  await page.goto(made.spreadsheetUrl);
  await picture("8-viewer-wide");
  assert.deepEqual(troubles, [], "no script failed and no policy was broken");
} finally {
  await browser.close();
}
await control("revoke", { account: owner });
