// The verdict tables: what was found on the bench, and the tables of `run`, `verify` and `score` as they grow.

import { h, put, wrap } from '../element.js';
import { t } from '../language.js';
import { badge } from '../outcome.js';
import * as server from '../server.js';
import { soon } from './common.js';

export function verdictsView(main, app) {
  let stopped = false;
  const [own, others] = [h('div', {}), h('div', {})];
  const files = h('section', { class: 'takeaway', 'aria-labelledby': 'take-title' }, h('h2', { id: 'take-title' }, t('take.title')), h('p', {}, t('take.text')), h('p', {}, h('a', { class: 'button', href: server.takeaway(), download: '' }, t('take.page'))), h('ul', { class: 'files' }));
  put(main, h('h1', { tabindex: '-1' }, t('verdicts.title')), h('p', { class: 'lead' }, t('verdicts.lead')), own, others, files);

  async function load() {
    const [found, tables] = await Promise.all([server.verdicts().catch(() => ({ rows: [] })), server.reports().catch(() => ({ reports: [] }))]);
    if (stopped) return;
    put(own, found.rows.length ? grid(found.rows) : h('p', { class: 'empty' }, t('verdicts.empty')));
    put(others, tables.reports.map(report));
    for (const table of main.querySelectorAll('table:not(.scrolls table)')) wrap(table);
  }
  load();
  server.recording().then(({ files: list }) => !stopped && put(files.querySelector('ul'), list.map((file) => h('li', {}, h('a', { href: server.recordingFile(file.name), download: '' }, file.name)))), () => {});
  const later = soon(() => setTimeout(load, 300));
  const unhear = app.hear((event) => event.event === 'leg:end' && later());
  return () => {
    stopped = true;
    unhear();
  };
}

function grid(rows) {
  const cell = (name, what) => h('td', { class: `cell-${name}`, role: 'cell', data: { label: t(`verdicts.${name}`) } }, what);
  const body = rows.map((row) => h('tr', { role: 'row' }, h('th', { scope: 'row', role: 'rowheader' }, row.title ?? row.client), cell('host', row.host), cell('trust', row.trust ? t(`trust.${row.trust}`) : '–'), cell('phase', row.phase ?? '–'), cell('verdict', row.verdict ? badge(row.verdict) : '…'), h('td', { class: 'sentence', role: 'cell' }, row.sentence ?? '')));
  const columns = ['client', 'host', 'trust', 'phase', 'verdict', 'sentence'].map((name) => h('th', { scope: 'col', role: 'columnheader' }, t(`verdicts.${name}`)));
  return h('table', { class: 'grid stack', role: 'table' }, h('caption', {}, t('verdicts.bench')), h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns)), h('tbody', { role: 'rowgroup' }, body));
}

function report({ kind, title, state, columns, rows, summary }) {
  const cell = (one) => (one && typeof one === 'object' ? badge(one.verdict) : String(one ?? ''));
  const lines = rows.map((row) => h('tr', {}, row.map((one, n) => (n ? h('td', {}, cell(one)) : h('th', { scope: 'row' }, cell(one))))));
  return h('section', { class: 'report' }, h('h2', {}, title ?? kind, state === 'running' ? h('span', { class: 'busy-word' }, t('busy')) : null), h('table', { class: 'grid' }, h('caption', { class: 'unseen' }, title ?? kind), h('thead', {}, h('tr', {}, columns.map((name) => h('th', { scope: 'col' }, name)))), h('tbody', {}, lines)), summary ? h('p', {}, summary) : null);
}
