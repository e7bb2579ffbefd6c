// The lab: the timeline, the picture of the network, the client bench, and what happened last. With an empty lab, one first step.

import * as connections from '../connections.js';
import { h, put } from '../element.js';
import { has, t } from '../language.js';
import { badge, MAIN, mark, OUTCOMES, word } from '../outcome.js';
import * as server from '../server.js';
import { bench } from './bench.js';
import { clientName, soon } from './common.js';
import { drawNetwork } from './network.js';
import { drawTimeline } from './timeline.js';

export function labView(main, app) {
  const places = { first: h('div', {}), time: h('section', { class: 'time', 'aria-labelledby': 'time-title' }), picture: h('div', { class: 'picture' }), legend: h('ul', { class: 'legend' }), bench: h('section', { class: 'bench', 'aria-labelledby': 'bench-title' }), last: h('div', {}) };
  put(
    main,
    h('h1', { class: 'unseen', tabindex: '-1' }, t('nav.lab')),
    places.first,
    places.time,
    h(
      'div',
      { class: 'stage' },
      h('section', { class: 'network', 'aria-labelledby': 'network-title' }, h('h2', { id: 'network-title' }, t('network.title')), places.picture, places.legend),
      places.bench,
      h('section', { class: 'last', 'aria-labelledby': 'last-title' }, h('h2', { id: 'last-title' }, t('last.title')), places.last),
    ),
  );
  const shared = { app, clients: [], move: null };
  const time = drawTimeline(places.time, app);
  shared.move = time.move;
  const picture = drawNetwork(places.picture, shared);
  const bar = bench(places.bench, shared, (clients) => picture.expect(clients));
  first(places.first, app, bar, time);
  const again = () => {
    legend(places.legend);
    last(places.last);
  };
  again();
  const stops = [connections.watch(soon(again)), connections.watch(({ row }) => row && tell(row, app)), time.stop, picture.stop, bar.stop];
  return () => stops.forEach((stop) => stop());
}

/** One first step for somebody who has read nothing: from an empty lab to a forged certificate with one button. */
function first(place, app, bar, time) {
  if (connections.all().length) return;
  const problem = h('p', { class: 'problem', role: 'alert' });
  const button = h('button', { class: 'first', type: 'button' }, t('first.button'));
  const box = h('section', { class: 'welcome', 'aria-labelledby': 'welcome-title' }, h('h2', { id: 'welcome-title' }, t('first.title')), h('p', { class: 'lead' }, t('first.text')), h('p', {}, button), problem);
  button.addEventListener('click', async () => {
    button.disabled = true;
    button.textContent = t('first.busy');
    try {
      await app.up();
      await time.move(FIRST_DAY);
      const run = await bar.start('curl', { trust: 'not-installed', host: 'www.facebook.com' });
      const id = run?.connections?.[0];
      if (id !== undefined) app.go(`connection/${id}`);
      else box.remove();
    } catch (failed) {
      problem.textContent = failed.message;
      button.disabled = false;
      button.textContent = t('first.button');
    }
  });
  put(place, box);
}

/** The legend counts, and leads to the list of what it counts. */
function legend(place) {
  const sums = connections.counts();
  const shown = OUTCOMES.filter((outcome) => MAIN.includes(outcome) || sums[outcome]);
  const items = shown.map((outcome) => {
    const explained = has(`explain.${outcome}`) ? t(`explain.${outcome}`) : null;
    return h('li', {}, h('a', { class: `count ${outcome}`, href: `#/connections/${outcome}`, title: explained }, mark(outcome, 20), h('span', { class: 'number' }, String(sums[outcome] ?? 0)), h('span', {}, word(outcome))));
  });
  put(place, items);
}

function last(place) {
  const rows = connections.all().slice(-LATEST).reverse();
  if (!rows.length) return put(place, h('p', { class: 'empty' }, t('last.empty')));
  const lines = rows.map((row) =>
    h('li', {}, h('a', { href: `#/connection/${row.id}` }, badge(row.outcome), h('span', { class: 'who' }, clientName(row.client)), h('span', { class: 'arrow', 'aria-hidden': 'true' }, '→'), h('span', { class: 'host' }, row.host))),
  );
  put(place, h('ol', { class: 'latest' }, lines), h('p', {}, h('a', { class: 'more', href: '#/connections' }, t('last.all', { n: connections.all().length }))));
}

/** Told once, when it has ended. */
function tell(row, app) {
  if (!row.ended || told.has(row.id)) return;
  told.add(row.id);
  if (told.size > 1000) told.clear();
  app.said(t('said.connection', { client: clientName(row.client), host: row.host, outcome: word(row.outcome) }));
}

const told = new Set();
const LATEST = 6;
/** The box is at full work, with keys that today's programs read. */
const FIRST_DAY = '2019-07-20T12:00:00+06:00';
