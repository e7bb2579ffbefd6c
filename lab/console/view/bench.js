// The client bench: which client, what it trusts, whom it calls; and what came of it, in one sentence.

import * as connections from '../connections.js';
import { h, put } from '../element.js';
import { t } from '../language.js';
import { badge, word } from '../outcome.js';
import * as server from '../server.js';
import { clientName } from './common.js';

export const TRUSTS = ['not-installed', 'installed', 'blocked', 'removed'];

export function bench(section, shared, loaded) {
  const { app } = shared;
  const state = (app.bench ??= { trust: 'not-installed', host: null });
  let stopped = false;
  const outcome = h('div', { class: 'outcome', 'aria-live': 'polite' });
  const list = h('ul', { class: 'clients' });
  const hosts = h('select', { id: 'bench-host', on: { change: (event) => (state.host = event.target.value) } });

  put(
    section,
    h('h2', { id: 'bench-title' }, t('bench.title')),
    h('fieldset', { class: 'trust' }, h('legend', {}, t('bench.trust')), h('div', { class: 'switch' }, TRUSTS.map((trust) => choice(trust, state)))),
    h('p', { class: 'host-choice' }, h('label', { for: 'bench-host' }, t('bench.host')), hosts),
    outcome,
    list,
  );
  put(outcome, h('p', { class: 'hint' }, t('bench.hint')));
  if (app.lastRun) finished(outcome, app.lastRun);

  server.clients().then(({ clients }) => {
    if (stopped) return;
    shared.clients = clients;
    const web = clients.filter((one) => one.kind === 'web'); // a world without sites has mail servers or chats to choose from
    const names = [...new Set((web.length ? web : clients).flatMap((one) => one.hosts))];
    state.host ??= names[0] ?? null;
    put(hosts, names.map((name) => h('option', { value: name, selected: name === state.host }, name)));
    put(list, clients.map((client) => item(client, () => start(client.id))));
    loaded(clients);
  }, (problem) => put(list, h('li', { class: 'problem' }, problem.message)));

  async function start(id, order = {}) {
    const client = shared.clients.find((one) => one.id === id) ?? { id, hosts: [] };
    const host = order.host ?? (client.hosts.includes(state.host) ? state.host : client.hosts[0]);
    const trust = order.trust ?? state.trust;
    put(outcome, h('p', { class: 'running' }, h('i', { class: 'busy', 'aria-hidden': 'true' }), t('bench.running', { client: clientName(id), host: host ?? '' })));
    try {
      await app.up();
      const run = await follow(await server.startClient(id, host ? { trust, host } : { trust }));
      app.lastRun = run;
      if (!stopped) finished(outcome, run);
      app.said(run.sentence ?? word(run.verdict));
      return run;
    } catch (problem) {
      put(outcome, h('p', { class: 'problem', role: 'alert' }, problem.message));
      return null;
    }
  }
  return { start, stop: () => (stopped = true) };
}

/** Waits until a run has ended. */
export async function follow(run) {
  connections.known(run.leg, run.client, run.trust);
  let now = run;
  for (let round = 0; now.state === 'running' && round < ROUNDS; round += 1) now = await server.run(run.leg, PATIENCE_MS);
  return now;
}

function choice(trust, state) {
  const input = h('input', { type: 'radio', name: 'trust', value: trust, checked: trust === state.trust, on: { change: () => (state.trust = trust) } });
  return h('label', { title: t(`trust.${trust}.why`) }, input, h('span', {}, t(`trust.${trust}`)));
}

function item(client, start) {
  const title = h('span', { class: 'title' }, client.title);
  const what = h('span', { class: 'what' }, client.available ? client.what : client.missing ?? t('bench.missing'));
  const button = h('button', { type: 'button', class: 'client', data: { client: client.id }, disabled: !client.available, on: { click: start } }, title, what);
  return h('li', {}, button);
}

function finished(place, run) {
  const failed = run.state === 'failed' || !run.verdict;
  const link = run.connections?.length ? h('a', { class: 'more', href: `#/connection/${run.connections[0]}` }, t('bench.story')) : null;
  put(
    place,
    h('div', { class: `result ${run.verdict ?? ''}` }, failed ? null : badge(run.verdict), h('p', { class: 'sentence' }, failed ? run.error ?? run.sentence ?? t('bench.nothing') : run.sentence), h('p', { class: 'under' }, [t(`trust.${run.trust}`), run.phase].filter(Boolean).join(' · ')), link),
    run.screenshot ? h('figure', { class: 'screen' }, h('img', { src: run.screenshot, alt: t('bench.screen', { host: run.host }) }), h('figcaption', {}, t('bench.screen', { host: run.host }))) : null,
    run.output ? h('details', { class: 'output' }, h('summary', {}, t('bench.output')), h('pre', { tabindex: '0' }, run.output)) : null,
  );
}

const PATIENCE_MS = 20_000;
const ROUNDS = 6;
