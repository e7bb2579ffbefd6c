// The picture: inside | box | outside, and the connections that travel it. Drawn anew when something changes; a token runs along
// each connection while it happens, unless the reader wants no motion.
//
// A link stands for all connections of one client to one host, and shows the outcome of the last one.

import * as connections from '../connections.js';
import { put, s } from '../element.js';
import { t } from '../language.js';
import { shape, word } from '../outcome.js';
import { clientName, soon } from './common.js';
import { layout } from './places.js';

export function drawNetwork(place, shared) {
  const state = { links: new Map(), clients: [], hosts: [], domestic: new Set(), newest: null, tokens: 0 };
  const svg = s('svg', { class: 'net', role: 'img', 'aria-labelledby': 'net-name net-told' });
  const layers = { ground: s('g'), links: s('g'), tokens: s('g'), nodes: s('g'), marks: s('g') };
  const [name, told] = [s('title', { id: 'net-name' }, t('network.title')), s('desc', { id: 'net-told' })];
  svg.append(name, told, ...Object.values(layers));
  put(place, svg);

  const draw = soon(() => {
    const plan = layout(place.clientWidth, state);
    svg.setAttribute('viewBox', `0 0 ${plan.width} ${plan.height}`);
    svg.setAttribute('height', plan.height);
    ground(layers.ground, plan);
    put(layers.nodes, plan.clients.map((node) => nodeOf(node, 'client')), plan.hosts.map((node) => nodeOf(node, 'host')));
    put(layers.links, [...state.links.values()].flatMap((link) => lines(link, plan, state.newest === link.key)));
    put(layers.marks, [...state.links.values()].flatMap((link) => marks(link, plan, state.newest === link.key)));
    told.textContent = summary(state);
    state.plan = plan;
  });

  for (const row of connections.all().slice(-60)) note(state, row);
  if (shared.clients.length) expect(shared.clients);
  const sizes = new ResizeObserver(draw);
  sizes.observe(place);
  const unwatch = connections.watch(({ row, all }) => {
    if (all) {
      state.links.clear();
      for (const one of connections.all().slice(-60)) note(state, one);
    }
    if (row) {
      const fresh = note(state, row);
      if (fresh) run(state, layers.tokens, row);
    }
    draw();
  });
  draw();

  /** Who can be started, and whom they call: shown before anybody has. */
  function expect(clients) {
    state.known = clients.filter((one) => one.available).map((one) => one.id);
    state.hosts = state.hosts.length ? state.hosts : (clients[0]?.hosts ?? []).slice(0, 4);
    state.clients = [...new Set([...state.clients, ...state.known])].slice(0, SLOTS);
    draw();
  }
  return {
    expect,
    stop: () => {
      unwatch();
      sizes.disconnect();
    },
  };
}

/** Takes a row in. True if it tells of something new that has a token to run. */
function note(state, row) {
  if (row.action === null && !row.ended) return false; // whom it is for is not known before its hello
  const client = row.client ?? '?';
  use(state.clients, client, SLOTS);
  use(state.hosts, row.host, SLOTS);
  if (row.action === null && row.ended && row.vantage !== 'outside') state.domestic.add(row.host);
  const key = `${client} ${row.host}`;
  const link = state.links.get(key) ?? { key, client, host: row.host, count: 0, id: -1 };
  if (row.id < link.id) return false;
  const fresh = row.id > link.id || (row.ended && !link.ended);
  Object.assign(link, { id: row.id, outcome: row.outcome, action: row.action, ended: row.ended });
  state.links.delete(key);
  state.links.set(key, link);
  if (state.links.size > MOST_LINKS) state.links.delete(state.links.keys().next().value);
  state.newest = key;
  return fresh && row.ended;
}

/** Keeps a name in its place; a new one takes the place of the one that was not used longest. */
function use(list, name, most) {
  list.order ??= new Map();
  list.order.delete(name);
  list.order.set(name, true);
  if (list.includes(name)) return;
  if (list.length < most) return void list.push(name);
  const oldest = list.find((one) => !list.order.has(one)) ?? [...list.order.keys()].find((one) => list.includes(one));
  list[list.indexOf(oldest)] = name;
}

function ground(place, plan) {
  const { zones, box } = plan;
  const words = zones.filter((zone) => zone.ty).map((zone) => s('text', { class: 'zone-name', x: zone.tx, y: zone.ty, 'text-anchor': 'middle' }, t(`network.${zone.name}`)));
  const areas = zones.map((zone) => s('rect', { class: `zone ${zone.name}`, x: zone.x, y: zone.y, width: zone.w, height: zone.h }));
  const border = s('path', { class: 'border', d: plan.border });
  const body = s('rect', { class: 'box', x: box.x, y: box.y, width: box.w, height: box.h, rx: 8 });
  put(place, areas, words, border, body);
}

function nodeOf(node, kind) {
  const text = kind === 'client' ? (node.name === '?' ? t('client.unknown') : clientName(node.name)) : node.name;
  const room = Math.floor(node.w / (/[^\u0000-\u024f]/.test(text) ? 9.6 : 8.2)); // letters beyond Latin are wider
  const short = text.length > room ? `${text.slice(0, room - 1)}…` : text;
  return s('g', { class: `node ${kind}${node.quiet ? ' idle' : ''}` }, s('rect', { x: node.x, y: node.y, width: node.w, height: node.h, rx: kind === 'client' ? 16 : 3 }), s('text', { x: node.x + node.w / 2, y: node.y + node.h / 2 + 5, 'text-anchor': 'middle' }, short), s('title', {}, text));
}

function lines(link, plan, newest) {
  const way = plan.way(link);
  if (!way) return [];
  const kind = `link ${link.outcome}${newest ? ' newest' : ''}`;
  if (link.action === 'intercept') return [s('path', { class: kind, d: way.first }), s('path', { class: 'link own', d: way.second })];
  if (stopped(link)) return [s('path', { class: kind, d: way.first })];
  return [s('path', { class: kind, d: way.whole })];
}

function marks(link, plan, newest) {
  const way = plan.way(link);
  if (!way) return [];
  const at = link.action === 'intercept' || stopped(link) ? way.atBox : way.atHost;
  const group = s('g', { class: `mark ${link.outcome}`, transform: `translate(${at.x} ${at.y}) scale(${newest ? 1.15 : 0.85})` }, s('circle', { class: 'clear', r: 12.5 }), shape(link.outcome));
  if (!newest) return [group];
  const place = at.beside ? { x: at.x - 17, y: at.y + 5 } : { x: at.x + 12, y: at.y - 17 }; // where no other mark is
  const label = s('text', { class: `mark-word ${link.outcome}`, ...place, 'text-anchor': 'end' }, word(link.outcome));
  return [group, label];
}

/** A token runs the way of a connection: to the host, or to the box and no further. */
function run(state, layer, row) {
  const link = state.links.get(`${row.client ?? '?'} ${row.host}`);
  const way = state.plan?.way(link ?? {});
  if (!way || state.tokens >= MOST_TOKENS || matchMedia('(prefers-reduced-motion: reduce)').matches || document.hidden) return;
  const path = s('path', { d: link.action === 'intercept' || stopped(link) ? way.first : way.whole, class: 'guide' });
  const token = s('g', { class: `mark token ${row.outcome}` }, s('circle', { class: 'clear', r: 12 }), shape(row.outcome));
  layer.append(path, token);
  const [length, began] = [path.getTotalLength(), performance.now()];
  const back = row.outcome === 'refused';
  state.tokens += 1;
  const step = (now) => {
    const share = Math.min((now - began) / RUN_MS, 1);
    const eased = 1 - (1 - share) ** 3;
    const along = back ? (eased < 0.6 ? eased / 0.6 : 1 - (eased - 0.6) / 0.8) : eased;
    const at = path.getPointAtLength(length * along);
    token.setAttribute('transform', `translate(${at.x} ${at.y})`);
    if (share < 1 && token.isConnected) return requestAnimationFrame(step);
    state.tokens -= 1;
    path.remove();
    token.remove();
  };
  requestAnimationFrame(step);
}

/** What the picture shows, in words. */
function summary(state) {
  const parts = [...state.links.values()].slice(-SLOTS).map((link) => t('said.connection', { client: link.client === '?' ? t('client.unknown') : clientName(link.client), host: link.host, outcome: word(link.outcome) }));
  return parts.length ? parts.join('; ') : t('network.empty');
}

const stopped = (link) => link.outcome === 'blocked';

const SLOTS = 6;
const MOST_LINKS = 14;
const MOST_TOKENS = 24;
const RUN_MS = 900;
