// Lesson one from its beginning to its end, by keyboard and mouse, in English and in Russian.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { base, enter, out, start, tabTo, until } from './browser.mjs';

const figures = {};
const { open, end, cut } = await start();
const page = await open();
await enter(page);
const api = (path) => page.evaluate((at) => fetch(at).then((reply) => reply.json()), `/api/${path}`);

await firstForgery();
await slider();
await client();
await resumes();
await lesson();
await russian();
await end();
console.log('ok');

/** From nothing to the first forged certificate: one button, by keyboard. */
async function firstForgery() {
  const began = Date.now();
  await tabTo(page, '.welcome button');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.certificates .card.forged');
  figure('first forged certificate', Date.now() - began);
  const differing = (field) => page.locator(`.differences .differs[data-field="${field}"]`).count();
  assert.equal(await differing('issuer'), 1, 'the issuer differs');
  assert.equal(await differing('public key'), 1, 'the key differs');
  assert.equal(await page.locator('.differences .equal[data-field="subject"]').count(), 1, 'the subject is the same');
  assert.match(await page.locator('.card.forged .by').first().textContent(), /Security Certificate|Qaznet/);
  assert.ok((await page.locator('.diff .why .source').count()) > 0, 'differences have sources');
}

/** The slider moves the clock of the lab. */
async function slider() {
  await page.click('#top nav a[href="#/"]');
  await tabTo(page, '#time-slider');
  const before = await page.getAttribute('#time-slider', 'aria-valuetext');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  await until('the clock of the lab moves', async () => (await api('timeline?lang=en')).clock?.startsWith('2019-07-18'));
  assert.notEqual(await page.getAttribute('#time-slider', 'aria-valuetext'), before);
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await until('the clock goes back', async () => (await api('timeline?lang=en')).clock?.startsWith('2019-07-20'));
}

/** A client that trusts the root is started; its connection appears. */
async function client() {
  await page.locator('input[name="trust"][value="installed"]').focus();
  await page.keyboard.press('Space');
  await page.evaluate(() => {
    window.appeared = {};
    new MutationObserver(() => {
      for (const link of document.querySelectorAll('.latest a')) {
        if (!link.querySelector('.badge.open')) window.appeared[link.getAttribute('href')] ??= Date.now();
      }
    }).observe(document.querySelector('.last'), { childList: true, subtree: true });
  });
  await tabTo(page, '[data-client="curl"]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.result.exposed');
  const link = await page.getAttribute('.result a', 'href');
  await until('the connection is in the list', () => page.evaluate((at) => window.appeared[at] !== undefined, link));
  const [state, asked] = [await api('lab/v1/state'), Date.now()];
  const connection = await api(`lab/v1/connections/${link.split('/').at(-1)}`);
  const ended = asked - state.up_ms + connection.closed_us / 1000;
  figure('from the end of a connection to the screen', Math.round((await page.evaluate((at) => window.appeared[at], link)) - ended));
}

/** The stream is cut, and what happens meanwhile is there afterwards. */
async function resumes() {
  const count = async () => Number(/\d+/.exec(await page.textContent('.last .more'))[0]);
  const before = await count();
  cut();
  await page.locator('[data-client="careless"]').click();
  await until('the connection is seen after the stream was cut', async () => (await count()) > before);
  await page.waitForSelector('.lifeline.live');
}

async function lesson() {
  await page.click('#top a[href="#/lessons"]');
  await tabTo(page, '[data-lesson="what-is-a-certificate"]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#lesson h2');
  let [right, steps] = [0, 0];
  for (let more = true; more && steps < 20; steps += 1) {
    for (const deed of await page.locator('#lesson .deed').all()) {
      await deed.click();
      await until('the deed is done', async () => !(await deed.getAttribute('aria-busy')));
    }
    for (const question of await page.locator('#lesson .question').all()) right += await answered(question);
    const next = page.locator('#lesson .turn button').last();
    more = (await page.locator('#lesson .place').textContent()).match(/\d+/g).reduce((at, of) => at !== of);
    await next.focus();
    await page.keyboard.press('Enter');
  }
  assert.ok(right >= 2, `${right} answers were found right in ${steps} steps`);
}

/** Answers until the lab says that it is right: 1, or 0 for a question that cannot be guessed. */
async function answered(question) {
  const options = await question.locator('.option input').all();
  const right = async () => {
    const told = await question.locator('.told').textContent();
    await question.locator('button[type="submit"]').click();
    await until('an answer is judged', async () => (await question.locator('.told .word').count()) === 1 && ((await question.locator('.told').textContent()) !== told || told !== ''));
    return question.evaluate((form) => form.classList.contains('right'));
  };
  if (options[0] && (await options[0].getAttribute('type')) === 'radio') {
    for (const option of options) {
      await option.check();
      if (await right()) return 1;
    }
    return 0;
  }
  const field = question.locator('select[aria-label="Field of the certificate"]');
  if (await field.count()) {
    await field.selectOption('issuer');
    return Number(await right());
  }
  if (options.length || (await question.locator('input, select').count())) return 0;
  return Number(await right());
}

async function russian() {
  await page.selectOption('select[data-name="language"]', 'ru');
  await page.waitForSelector('html[lang="ru"]');
  await page.goto(`${base}/?lang=ru#/connections`);
  assert.equal(await page.textContent('h1'), 'Соединения');
  await page.locator('.window-body a').first().click();
  await page.waitForSelector('.steps');
  assert.match(await page.textContent('.steps h2'), /Шаг за шагом/);
  await page.locator('#top nav a[href="#/"]').click();
  await page.waitForSelector('.bench .client');
  assert.match(await page.textContent('#bench-title'), /Запустить клиента/);
  await page.locator('[data-client="curl"]').click();
  await page.waitForSelector('.result');
}

function figure(what, ms) {
  figures[what] = ms;
  writeFileSync(`${out}/figures.json`, JSON.stringify(figures, null, 2));
}

