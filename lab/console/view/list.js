// The list of connections: newest first, filtered, and windowed, so that ten thousand cost no more than thirty.

import * as connections from '../connections.js';
import { h, put } from '../element.js';
import { number, t } from '../language.js';
import { badge, MAIN, mark, OUTCOMES, word } from '../outcome.js';
import { clientName, soon } from './common.js';

export function listView(main, app, [outcome]) {
  const filter = (app.filter ??= { text: '', outcomes: new Set(), client: '' });
  if (outcome) filter.outcomes = new Set(OUTCOMES.includes(outcome) ? [outcome] : []);
  let [shown, rowHigh] = [[], 0];
  const count = h('p', { class: 'shown', role: 'status' });
  const search = h('input', { type: 'search', id: 'list-text', value: filter.text, placeholder: t('list.search.hint'), on: { input: () => { filter.text = search.value; again(); } } });
  const clients = h('select', { id: 'list-client', on: { change: () => { filter.client = clients.value; again(); } } });
  const chips = h('fieldset', { class: 'chips' });
  const body = h('div', { class: 'window-body', role: 'rowgroup' });
  const head = h('div', { class: 'row head', role: 'row', 'aria-rowindex': 1 }, ['outcome', 'client', 'host', 'action', 'time'].map((name) => h('span', { role: 'columnheader', class: `c-${name}` }, t(`list.${name}`))));
  const table = h('div', { class: 'window', role: 'table', 'aria-label': t('list.title'), tabindex: '0', on: { scroll: soon(() => draw()), keydown: keys } }, h('div', { role: 'rowgroup', class: 'window-head' }, head), body);
  const none = h('p', { class: 'empty' });
  put(
    main,
    h('h1', { tabindex: '-1' }, t('list.title')),
    h('form', { class: 'filters', role: 'search', on: { submit: (event) => event.preventDefault() } }, h('p', {}, h('label', { for: 'list-text' }, t('list.search')), search), h('p', {}, h('label', { for: 'list-client' }, t('list.client')), clients), chips),
    count,
    table,
    none,
  );
  drawChips();
  drawClients();
  again();

  function again() {
    const wanted = filter.text.trim().toLowerCase();
    const fits = (row) => (!wanted || row.text.includes(wanted)) && (!filter.outcomes.size || filter.outcomes.has(row.outcome)) && (!filter.client || row.client === filter.client);
    shown = connections.all().filter(fits).reverse();
    table.setAttribute('aria-rowcount', String(shown.length + 1));
    count.textContent = t('list.shown', { n: shown.length, all: connections.all().length });
    none.textContent = shown.length ? '' : t(connections.all().length ? 'list.none' : 'last.empty');
    table.hidden = !shown.length;
    table.style.setProperty('--rows', shown.length);
    draw();
  }

  /** Only the rows in sight, and a few more on either side. */
  function draw() {
    rowHigh = Number.parseFloat(getComputedStyle(table).getPropertyValue('--row')) * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    body.style.height = `${shown.length * rowHigh}px`;
    const first = Math.max(Math.floor(table.scrollTop / rowHigh) - SPARE, 0);
    const last = Math.min(first + Math.ceil((table.clientHeight || 600) / rowHigh) + SPARE * 2, shown.length);
    const focused = document.activeElement?.dataset?.id;
    put(body, shown.slice(first, last).map((row, n) => line(row, first + n, rowHigh)));
    if (focused && !document.activeElement?.dataset?.id) body.querySelector(`[data-id="${focused}"]`)?.focus({ preventScroll: true });
  }

  function keys(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const at = shown.findIndex((row) => String(row.id) === document.activeElement?.dataset?.id);
    if (!step || (at < 0 && document.activeElement !== table)) return;
    event.preventDefault();
    const next = Math.min(Math.max(at + step, 0), shown.length - 1);
    const edge = next * rowHigh;
    if (edge < table.scrollTop) table.scrollTop = edge;
    if (edge + rowHigh * 2.2 > table.scrollTop + table.clientHeight) table.scrollTop = edge + rowHigh * 2.2 - table.clientHeight;
    draw();
    body.querySelector(`[data-id="${shown[next].id}"]`)?.focus({ preventScroll: true });
  }

  function drawChips() {
    const sums = connections.counts();
    const kinds = OUTCOMES.filter((one) => MAIN.includes(one) || sums[one] || filter.outcomes.has(one));
    const chosen = (one) => (event) => {
      if (event.target.checked) filter.outcomes.add(one);
      else filter.outcomes.delete(one);
      again();
    };
    put(chips, h('legend', { class: 'unseen' }, t('list.outcome')), kinds.map((one) => h('label', { class: `chip ${one}` }, h('input', { type: 'checkbox', checked: filter.outcomes.has(one), on: { change: chosen(one) } }), mark(one, 16), h('span', {}, word(one)), h('b', {}, number(sums[one] ?? 0)))));
  }

  function drawClients() {
    const names = [...new Set(connections.all().map((row) => row.client).filter(Boolean))].sort();
    put(clients, h('option', { value: '' }, t('list.any')), names.map((name) => h('option', { value: name, selected: name === filter.client }, clientName(name))));
  }

  const later = soon(() => {
    if (!chips.contains(document.activeElement)) drawChips();
    if (document.activeElement !== clients) drawClients();
    again();
  });
  const unwatch = connections.watch(later);
  const sizes = new ResizeObserver(soon(draw));
  sizes.observe(table);
  return () => {
    unwatch();
    sizes.disconnect();
  };
}

function line(row, place, high) {
  const link = h('a', { href: `#/connection/${row.id}`, data: { id: String(row.id) } }, row.host, row.port === 443 ? null : h('small', {}, `:${row.port}`));
  const cell = (name, ...what) => h('span', { role: 'cell', class: `c-${name}` }, what);
  const element = h('div', { class: 'row', role: 'row', 'aria-rowindex': place + 2 }, cell('outcome', badge(row.outcome)), cell('client', clientName(row.client)), cell('host', link), cell('action', row.rule ?? (row.action ? t(`action.${row.action}`) : '–')), cell('time', row.us ? t('list.ms', { n: Math.round(row.us / 100) / 10 }) : '…'));
  element.style.transform = `translateY(${place * high}px)`;
  return element;
}

const SPARE = 8;
