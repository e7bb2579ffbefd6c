// The verdict tables: what was found on the bench, and the tables of `run`, `verify` and `score` as they grow.

import { h, put, wrap } from '../element.js';
import { bytes, t } from '../language.js';
import { badge } from '../outcome.js';
import * as server from '../server.js';
import { soon } from './common.js';
import { reports } from './reports.js';

export function verdictsView(main, app) {
  let stopped = false;
  const [own, others] = [h('div', {}), h('section', { class: 'reports', 'aria-labelledby': 'reports-title' })];
  const end = h('button', { type: 'button', class: 'end-lab', on: { click: finish } }, t('take.end'));
  const files = h('section', { class: 'takeaway', 'aria-labelledby': 'take-title' }, h('h2', { id: 'take-title' }, t('take.title')), h('p', {}, t('take.text')), h('p', {}, h('a', { class: 'button', href: server.takeaway(), download: '' }, t('take.page'))), h('p', {}, t('take.recording')), h('p', {}, end), h('ul', { class: 'files' }));
  put(main, h('h1', { tabindex: '-1' }, t('verdicts.title')), h('p', { class: 'lead' }, t('verdicts.lead')), own, others, files);

  async function recorded() {
    const { files: list } = await server.recording().catch(() => ({ files: [] }));
    if (stopped) return;
    end.hidden = app.lab?.state !== 'up';
    put(files.querySelector('ul'), list.map((file) => h('li', {}, h('a', { href: server.recordingFile(file.name), download: '' }, file.name), ' ', h('small', {}, bytes(file.bytes)))));
  }

  /** The lab writes its packets when it ends; the page hears of the end, and draws all of this anew. */
  async function finish() {
    end.disabled = true;
    await server.endLab().catch(() => {}); // it has ended meanwhile
    for (let round = 0; round < ROUNDS && (app.lab = await server.lab()).state === 'up'; round += 1) await new Promise((done) => setTimeout(done, PAUSE_MS));
    recorded();
  }

  async function load() {
    const found = await server.verdicts().catch(() => ({ rows: [] }));
    if (stopped) return;
    put(own, found.rows.length ? grid(found.rows) : h('p', { class: 'empty' }, t('verdicts.empty')));
    for (const table of own.querySelectorAll('table')) wrap(table);
  }
  load();
  const leave = reports(others, app);
  recorded();
  const later = soon(() => setTimeout(load, 300));
  const unhear = app.hear((event) => event.event === 'leg:end' && later());
  return () => {
    stopped = true;
    leave();
    unhear();
  };
}

function grid(rows) {
  const cell = (name, what) => h('td', { class: `cell-${name}`, role: 'cell', data: { label: t(`verdicts.${name}`) } }, what);
  const body = rows.map((row) => h('tr', { role: 'row' }, h('th', { scope: 'row', role: 'rowheader' }, row.title ?? row.client), cell('host', row.host), cell('trust', row.trust ? t(`trust.${row.trust}`) : '–'), cell('phase', row.phase ?? '–'), cell('verdict', row.verdict ? badge(row.verdict) : '…'), h('td', { class: 'sentence', role: 'cell' }, row.sentence ?? '')));
  const columns = ['client', 'host', 'trust', 'phase', 'verdict', 'sentence'].map((name) => h('th', { scope: 'col', role: 'columnheader' }, t(`verdicts.${name}`)));
  return h('table', { class: 'grid stack', role: 'table' }, h('caption', {}, t('verdicts.bench')), h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns)), h('tbody', { role: 'rowgroup' }, body));
}

/** An end takes a moment: clients are ended, packets are written. */
const ROUNDS = 40;
const PAUSE_MS = 250;
