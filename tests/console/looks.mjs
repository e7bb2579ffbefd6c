// Every main view: photographed at three sizes for people to look at, nothing wider than its page, no serious finding of axe-core
// in light and dark; and the list with ten thousand connections.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { base, enter, out, start } from './browser.mjs';

const trainers = process.argv[5];
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const { open, end } = await start();
const SIZES = { phone: { width: 390, height: 844 }, laptop: { width: 1366, height: 768 }, projector: { width: 1920, height: 1080 } };

const page = await open({ bypassCSP: true }); // axe-core is put into the page by the test; the console itself needs no exception
const story = await prepare();
const VIEWS = [
  ['lab', '', '.bench .client'], ['connections', 'connections', '.window-body a'], ['story', `connection/${story}`, '.steps'], ['verdicts', 'verdicts', '.view-verdicts table, .empty'],
  ['lessons', 'lessons', '.lessons li'], ['class', 'trainer', '.class table, .class .empty'], ['join', 'join', 'form.join'],
];
await views();
await many();
await end();
console.log('ok');

/** A lab with something to see: three clients, of which one is read. */
async function prepare() {
  await page.setViewportSize(SIZES.laptop);
  await enter(page, 'en', trainers); // as a new trainer does: the link that was printed, then a lab of one's own
  await page.click('.own-lab');
  await page.waitForSelector('.welcome button');
  await page.waitForSelector('.bench .client');
  await shoot('first', 'laptop');
  await page.click('.welcome button');
  await page.waitForSelector('.certificates .card.forged');
  const id = page.url().split('/').at(-1);
  await page.click('#top nav a[href="#/"]');
  for (const client of ['careless', 'own']) {
    await page.click(`[data-client="${client}"]`);
    await page.waitForSelector('.result .sentence');
    await page.waitForSelector('.running', { state: 'detached' });
  }
  await page.waitForSelector('#top nav a[href="#/trainer"]');
  await page.click('#top nav a[href="#/verdicts"]'); // a table that grows, and is stopped
  await page.click('[data-report="verify"]');
  await page.waitForSelector('.report tbody tr .badge');
  await page.click('.so-far button');
  await page.waitForSelector('.so-far button', { state: 'detached' });
  return id;
}

async function views() {
  const found = [];
  for (const [name, place, ready] of VIEWS) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme: size === 'projector' ? 'dark' : 'light', reducedMotion: 'reduce' });
      if (size === 'phone') {
        await page.goto(`${base}/?lang=${name === 'story' ? 'kk' : 'en'}#/${place}`);
        await page.waitForSelector(ready);
      }
      await shoot(name, size);
      found.push(...(await findings(`${name}, ${size}`)));
    }
  }
  await page.setViewportSize(SIZES.laptop);
  await page.click('#top a[href="#/lessons"]');
  await page.locator('[data-lesson]').first().click();
  await page.waitForSelector('#lesson h2');
  await page.click('#top nav a[href="#/"]');
  await shoot('lesson', 'laptop');
  found.push(...(await findings('lesson')));
  assert.deepEqual(found, [], 'serious findings of axe-core');
}

async function shoot(name, size) {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await page.screenshot({ path: `${out}/${name}-${size}.png`, fullPage: true });
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(over <= 0, `${name} is ${over} px wider than a ${size}`);
}

async function findings(where) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'], iframes: false }));
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  return serious.map(({ id, nodes }) => `${where}: ${id}: ${nodes.map((node) => `${node.target} ${node.any[0]?.message ?? ''}`).slice(0, 3).join(' | ')}`);
}

/** Ten thousand connections in the list: few elements, and the time that a filter takes. */
async function many() {
  const outcomes = ['exposed', 'refused', 'untouched', 'blocked'];
  const connections = Array.from({ length: 10_000 }, (_, n) => ({
    id: n + 1, t_us: n * 1000, host: `host-${n % 97}.example.test`, port: 443, transport: 'tcp', client: ['curl', 'pinned', 'careless'][n % 3], trust: 'installed',
    leg: n, action: n % 4 === 2 ? 'forward' : 'intercept', rule: 'forge-targets', outcome: outcomes[n % 4], sentence: 'One of ten thousand.', ended: true, us: 12_000,
  }));
  await page.route('**/api/connections?last=*', (route) => route.fulfill({ json: { connections, total: connections.length } }));
  const began = Date.now();
  await page.goto(`${base}/?lang=en#/connections`);
  await page.reload();
  await page.waitForSelector('.window-body a');
  const shown = Date.now() - began;
  assert.equal(await page.getAttribute('.window', 'aria-rowcount'), '10001');
  assert.ok((await page.locator('.window-body .row').count()) < 80, 'only the rows in sight are there');
  const filter = await page.evaluate(async () => {
    const [input, times] = [document.getElementById('list-text'), []];
    for (const text of ['h', 'ho', 'host-9', 'host-96', 'curl', '']) {
      const before = performance.now();
      input.value = text;
      input.dispatchEvent(new Event('input'));
      await new Promise((done) => requestAnimationFrame(done));
      times.push(performance.now() - before);
    }
    return Math.max(...times);
  });
  await page.fill('#list-text', 'host-96');
  assert.match(await page.textContent('.shown'), /^103 /);
  await page.fill('#list-text', '');
  await page.locator('.window').evaluate((element) => (element.scrollTop = element.scrollHeight));
  await page.waitForSelector('.window-body a[data-id="1"]');
  await page.screenshot({ path: `${out}/ten-thousand.png` });
  const memory = await page.evaluate(() => performance.memory?.usedJSHeapSize ?? 0);
  writeFileSync(`${out}/ten-thousand.json`, JSON.stringify({ 'load and first rows, ms': shown, 'slowest filter to next frame, ms': Math.round(filter), 'heap, MB': Math.round(memory / 1e6) }, null, 2));
}
