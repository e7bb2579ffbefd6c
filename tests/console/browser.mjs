// A headless Chromium in front of the console: what the other scripts share. Every request is noted; one that leaves loopback fails.

import assert from 'node:assert/strict';
import net from 'node:net';
import { chromium } from 'playwright-core';

export const [base, code, out] = process.argv.slice(2);

/** Starts the browser. Its connections to the console pass a relay that can cut them, as a bad network does. */
export async function start() {
  const at = new URL(base);
  const relay = await relayTo(Number(at.port));
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', `--host-resolver-rules=MAP ${at.host} 127.0.0.1:${relay.port}`],
  });
  const asked = [];
  const wrong = [];
  const open = async (settings) => {
    const context = await browser.newContext({ viewport: { width: 1366, height: 768 }, ...settings });
    context.on('request', (request) => asked.push(request.url()));
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    page.on('pageerror', (error) => wrong.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && !EXPECTED.test(message.text()) && wrong.push(`${message.text()} ${message.location().url}`));
    return page;
  };
  const end = async () => {
    await browser.close();
    relay.close();
    const foreign = asked.filter((url) => !url.startsWith(`${base}/`) && !url.startsWith('data:'));
    assert.deepEqual(foreign, [], 'requests that left the console');
    assert.ok(asked.length > 20, `only ${asked.length} requests were seen`);
    assert.deepEqual(wrong, [], 'errors in the page');
  };
  return { open, end, cut: relay.cut };
}

/** Goes in by a link, as a participant would. */
export async function enter(page, language = 'en', by = code) {
  await page.goto(`${base}/?lang=${language}#join=${by}`);
  await page.waitForSelector('#top nav a');
  assert.ok(!page.url().includes('join='), 'the code stays out of the address');
}

/** Presses Tab until the focus is there: what a keyboard cannot reach fails. */
export async function tabTo(page, selector) {
  for (let presses = 0; presses < 120; presses += 1) {
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`the keyboard does not reach ${selector}`);
}

/** Waits until it is true, at most ten seconds. */
export async function until(what, check) {
  const deadline = Date.now() + 10_000;
  while (!(await check())) {
    assert.ok(Date.now() < deadline, `waited in vain: ${what}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

async function relayTo(port) {
  const open = new Set();
  const server = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => { open.delete(one); other.destroy(); });
      one.pipe(other);
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const cut = () => open.forEach((socket) => socket.destroy());
  return { port: server.address().port, cut, close: () => { cut(); server.close(); } };
}

/** What a browser says of an answer that is not 200, or of a stream that was cut on purpose. */
const EXPECTED = /status of (401|403|404|503)|ERR_(EMPTY_RESPONSE|CONNECTION|INCOMPLETE|NETWORK|INVALID_CHUNKED)/;
