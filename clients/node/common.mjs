// Where the emulator is, and its own interface: what a test may do that no client can.

import { basename } from "node:path";

export const url = process.env.EMULATOR;
export const clientId = "emulator-client";
export const clientSecret = "emulator-secret";
// A person for each program, so that none sees the files of another.
export const owner = `node-${basename(process.argv[1], ".mjs")}@example.com`;
export const driveFile = "https://www.googleapis.com/auth/drive.file";

export async function control(path, body) {
  const reply = await fetch(`${url}/_emulator/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!reply.ok) throw new Error(`${path}: ${await reply.text()}`);
  return reply.json();
}
