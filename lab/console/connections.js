// The connections that this page knows: a row each, bounded in number, the oldest dropped first.
//
// Rows come from the server. While a connection is still going on, its row is folded here from the event stream, so that it
// moves on the screen at once; when it has ended, the server's row replaces it.

import { judge } from './outcome.js';
import * as server from './server.js';

/** More are not kept: some 10 MB. The server has them all. */
export const MOST = 20_000;

const heard = new Set();
const legs = new Map();
const hidden = new Set();
let rows = new Map();
let fresh = [];
let asking = null;
let wanted = Infinity;

/** Calls back with what has changed: `{row}` for one connection, `{all: true}` after a load. Gives the way to stop. */
export function watch(listener) {
  heard.add(listener);
  return () => heard.delete(listener);
}

/** Every row, oldest first. */
export function all() {
  if (!fresh) fresh = [...rows.values()];
  return fresh;
}

export const one = (id) => rows.get(id);

/** How many there are of each outcome. */
export function counts() {
  const sums = {};
  for (const row of rows.values()) sums[row.outcome] = (sums[row.outcome] ?? 0) + 1;
  return sums;
}

/** Forgets everything: another lab, or none. */
export function reset() {
  rows = new Map();
  legs.clear();
  hidden.clear();
  changed({ all: true });
}

/** The rows that the server has. */
export async function load() {
  const { connections } = await server.lastConnections(MOST);
  for (const row of connections) keep(row);
  changed({ all: true });
}

/** Who started a leg: the bench says so before the first event comes. */
export function known(leg, client, trust) {
  legs.set(leg, { client, trust });
  if (legs.size > MOST) legs.delete(legs.keys().next().value);
}

/** Takes one event in. */
export function take(event) {
  const id = event.connection;
  if (event.event === 'leg:start') started(event);
  if (id === undefined || hidden.has(event.leg)) return;
  if (event.event === 'connection:open') return opened(event);
  const row = rows.get(id);
  if (!row) return event.event === 'connection:end' ? refresh(id) : undefined;
  if (row.settled) return;
  const step = STEPS[event.event];
  if (!step) return;
  step(row, event);
  row.outcome = judge(row);
  keep(row);
  changed({ row });
  if (row.ended) refresh(id);
}

/** A leg without interference is the judge's comparison, nobody's connection: the server leaves it out too. */
function started({ leg, kind, argv }) {
  if (kind === 'control') hidden.add(leg);
  else if (!legs.has(leg)) known(leg, named(argv), null);
}

function opened(event) {
  const [address, port] = split(event.destination);
  const row = { id: event.connection, t_us: event.t_us, host: event.asked ?? address, port, transport: event.transport, vantage: event.vantage };
  Object.assign(row, { leg: event.leg ?? null, client: null, trust: null, ...legs.get(event.leg), action: null, sent: 0, ended: false, outcome: 'open' });
  keep(row);
  changed({ row });
}

const STEPS = {
  'hello:seen': (row, { half, hello }) => {
    if (half === 'client' && hello.sni) row.host = hello.sni;
  },
  'box:decision': (row, { action, rule }) => Object.assign(row, { action, rule }),
  'handshake:done': (row, { half }) => {
    if (half === 'client') row.shook = true;
  },
  alert: (row, { half, alert }) => {
    if (half === 'client' && alert.from === 'client' && alert.level === 2) row.alerted = true;
  },
  'half:end': (row, { half, bytes }) => {
    if (half === 'client') row.sent = Math.max(row.sent ?? 0, bytes.app_up ?? 0);
  },
  request: (row) => {
    row.sent = Math.max(row.sent ?? 0, 1);
  },
  'connection:end': (row, { t_us }) => Object.assign(row, { ended: true, us: t_us - row.t_us }),
};

/** Asks for the server's own rows, once for many that ended together. */
function refresh(id) {
  wanted = Math.min(wanted, id);
  asking ??= setTimeout(async () => {
    const after = wanted - 1;
    [asking, wanted] = [null, Infinity];
    const { connections } = await server.connectionsAfter(after).catch(() => ({ connections: [] }));
    for (const row of connections) {
      keep(row);
      changed({ row });
    }
    const last = connections.at(-1);
    if (connections.length === 500 && last.id < newest()) refresh(last.id + 1);
  }, TOGETHER);
}

function keep(row) {
  const before = rows.get(row.id);
  if (!before && rows.size >= MOST) rows.delete(rows.keys().next().value);
  const settled = row.ended && row.sentence !== undefined;
  const client = row.client ?? before?.client ?? null;
  rows.set(row.id, Object.assign(before ?? {}, row, { settled, client, text: `${row.host} ${client ?? ''} ${row.rule ?? ''} ${row.action ?? ''}`.toLowerCase() }));
  fresh = null;
}

const newest = () => all().at(-1)?.id ?? 0;

function changed(what) {
  fresh = null;
  for (const listener of heard) listener(what);
}

function split(address) {
  const at = address.lastIndexOf(':');
  return [address.slice(0, at), Number(address.slice(at + 1))];
}

/** The program of a command line, without its folder. */
const named = (argv = []) => (argv[0] ?? '').split('/').at(-1);

/** Connections that end together are asked for together. */
const TOGETHER = 150;
