// The tables of `run`, `verify` and `score`: what to have run, and the rows as they come.

import { h, put, wrap } from '../element.js';
import { t } from '../language.js';
import { badge } from '../outcome.js';
import * as server from '../server.js';

export function reports(section, app) {
  let stopped = false;
  let waiting = null;
  const [forms, tables, problem] = [h('div', { class: 'report-forms' }), h('div', { 'aria-live': 'off' }), h('p', { class: 'problem', role: 'alert' })];
  put(section, h('h2', { id: 'reports-title' }, t('reports.title')), h('p', {}, t('reports.lead')), forms, problem, tables);

  async function load() {
    clearTimeout(waiting);
    const told = await server.reports().catch(() => null);
    if (stopped || !told) return;
    if (!forms.childElementCount) put(forms, ways(told.offers, start));
    const running = told.reports.some((one) => one.state === 'running');
    for (const button of forms.querySelectorAll('button')) button.disabled = running;
    draw(tables, told.reports, stop);
    if (running) waiting = setTimeout(load, POLL_MS);
    else if (section.dataset.running) app.said(told.reports[0].summary);
    section.dataset.running = running ? 'yes' : '';
  }

  async function start(wanted) {
    problem.textContent = '';
    await server.startReport(wanted).catch((refused) => (problem.textContent = refused.message));
    load();
  }

  async function stop(id) {
    await server.stopReport(id).catch(() => {}); // it has ended meanwhile
    load();
  }

  load();
  return () => {
    stopped = true;
    clearTimeout(waiting);
  };
}

/** One line for each kind: what to choose, and a button. */
function ways({ scenario, scenarios, clients }, start) {
  const own = scenarios.some((one) => one.name === scenario) ? [] : [{ name: scenario, title: scenario }];
  const listed = h('select', { id: 'report-scenario' }, [...own, ...scenarios].map((one) => h('option', { value: one.name, selected: one.name === scenario }, one.title)));
  const client = h('select', { id: 'report-client' }, clients.map((one) => h('option', { value: one.id }, one.title)));
  const button = (kind, wanted) => h('button', { type: 'button', data: { report: kind }, on: { click: () => start(wanted()) } }, t(`reports.${kind}`));
  return [
    h('p', {}, h('label', { for: 'report-scenario' }, t('reports.scenario')), listed, button('run', () => ({ kind: 'run', scenario: listed.value }))),
    h('p', {}, h('label', { for: 'report-client' }, t('reports.client')), client, button('verify', () => ({ kind: 'verify', client: client.value }))),
    h('p', {}, h('span', {}, t('reports.detector')), button('score', () => ({ kind: 'score' }))),
  ];
}

/** Tables that are there already get their new rows only: a reader keeps the place. */
function draw(place, list, stop) {
  const known = new Map([...place.children].map((section) => [section.dataset.report, section]));
  put(place, list.map((one) => grown(known.get(String(one.id)) ?? frame(one), one, stop)));
}

function frame(one) {
  const table = h('table', { class: 'grid stack', role: 'table' }, h('caption', { class: 'unseen' }, one.title), h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, one.columns.map((name) => h('th', { scope: 'col', role: 'columnheader' }, name)))), h('tbody', { role: 'rowgroup' }));
  const section = h('section', { class: 'report', data: { report: String(one.id) } }, h('h3', {}, one.title), h('p', { class: 'so-far' }), table);
  wrap(table, one.title);
  return section;
}

function grown(section, one, stop) {
  const body = section.querySelector('tbody');
  for (const row of one.rows.slice(body.childElementCount)) body.append(line(row, one.columns));
  section.querySelector('table').hidden = !one.rows.length;
  const running = one.state === 'running';
  const so = section.querySelector('.so-far');
  const text = `${t('reports.of', { done: one.done, of: one.of })} ${one.summary}`;
  if (so.dataset.text !== `${text}${one.state}`) {
    so.dataset.text = `${text}${one.state}`;
    const end = running ? h('button', { type: 'button', class: 'quiet', on: { click: () => stop(one.id) } }, t('reports.stop')) : null;
    put(so, running ? h('i', { class: 'busy', 'aria-hidden': 'true' }) : null, text, ' ', one.state === 'stopped' ? t('reports.stopped') : null, end);
  }
  return section;
}

function line(row, columns) {
  const cell = (one) => (one && typeof one === 'object' ? badge(one.verdict, one.word) : String(one ?? ''));
  return h('tr', { role: 'row' }, row.map((one, n) => (n ? h('td', { role: 'cell', data: { label: columns[n] } }, cell(one)) : h('th', { scope: 'row', role: 'rowheader' }, cell(one)))));
}

const POLL_MS = 1000;
