// The same for Vitest (`vitest run --globals`) and Jest (`NODE_OPTIONS=--experimental-vm-modules jest`): both bring `test` and the hooks along.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { up } from "../mitmlab.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
let lab;

beforeAll(async () => (lab = await up(here("scenario.toml"))), 60_000);
afterAll(() => lab?.down());
beforeEach(() => lab.reset());

async function start(what, surroundings) {
  const env = { ...process.env, ...(await lab.environment(surroundings)) };
  const child = spawn(process.execPath, [here("app.mjs"), what], { env, stdio: "ignore" });
  return (await once(child, "exit"))[0];
}

// The control first: beyond the box, where nothing is wrong.
for (const [what, host] of [["news", "www.example.com"], ["telemetry", "www.instagram.com"]]) {
  test(`${what} refuse a forged certificate`, async () => {
    expect(await start(what, { vantage: "outside" })).toBe(0);
    await start(what);
    await lab.assertRefused(host);
  }, 60_000);
}
