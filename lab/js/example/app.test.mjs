// The app's suite: behind a box that forges, each of its connections must be refused.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";

import { up } from "../mitmlab.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
let lab;

before(async () => (lab = await up(here("scenario.toml"))));
after(() => lab?.down());
beforeEach(() => lab.reset());

// The control first: beyond the box, where nothing is wrong. Node closes without a word, and only the control tells that from a failure.
async function app(what, surroundings) {
  assert.equal(await start(what, { ...surroundings, vantage: "outside" }), 0);
  return start(what, surroundings);
}

async function start(what, surroundings) {
  const env = { ...process.env, ...(await lab.environment(surroundings)) };
  const child = spawn(process.execPath, [here("app.mjs"), what], { env, stdio: "ignore" });
  return (await once(child, "exit"))[0];
}

test("news refuse a forged certificate", async () => {
  assert.equal(await app("news"), 1);
  await lab.assertRefused("www.example.com");
});

test("telemetry refuses a forged certificate", async () => {
  await app("telemetry");
  await lab.assertRefused("www.instagram.com");
});

test("with the root installed the box reads", async () => {
  assert.equal(await app("news", { trust: "web+authority" }), 0);
  await lab.assertExposed("www.example.com");
});

test("without the rule nothing is touched", async () => {
  await lab.addRule("leave-alone", "forward", { sni: "www.example.com" });
  assert.equal(await app("news"), 0);
  await lab.assertUntouched("www.example.com");
});
