// Chromium as a client of the lab, run inside it: goes to each address, photographs what its user sees, and says what the browser
// itself holds of the connection. One line of JSON an address.

import { chromium } from 'playwright-core';

const [out, ...visits] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  chromiumSandbox: process.getuid() !== 0, // as superuser it would refuse to start
  args: ['--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'],
  timeout: 20_000,
});
for (const visit of visits) {
  const [name, url] = visit.split('=');
  const page = await browser.newPage({ viewport: { width: 1100, height: 760 } });
  const session = await page.context().newCDPSession(page);
  const states = [];
  session.on('Security.visibleSecurityStateChanged', ({ visibleSecurityState }) => states.push(visibleSecurityState));
  await session.send('Security.enable');
  const error = await page.goto(url, { timeout: 15_000 }).then(() => null, (problem) => /ERR_\w+/.exec(problem.message)?.[0] ?? problem.message);
  await page.locator('#details-button').click({ timeout: error ? 5000 : 1 }).catch(() => {});
  const text = await page.locator('body').innerText();
  const way = await page.locator('#proceed-link').isVisible();
  await page.screenshot({ path: `${out}/${name}.png` });
  const state = states.findLast((one) => one.certificateSecurityState) ?? states.at(-1);
  console.log(JSON.stringify({ name, error, way, text: text.slice(0, 2000), state: state?.securityState, issuer: state?.certificateSecurityState?.issuer ?? null }));
  await page.close();
}
await browser.close();
