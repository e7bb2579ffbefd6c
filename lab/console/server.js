// Everything that the console asks of its server. No other module knows an address, and none of them leaves this machine.

import { language } from './language.js';

/** What the server could not do, in its own words (RFC 9457). */
export class Problem extends Error {
  constructor(status, { title, detail, hint } = {}) {
    super([detail ?? title ?? `HTTP ${status}`, hint].filter(Boolean).join('. '));
    this.status = status;
  }
}

export const me = () => ask('GET', 'me');
export const join = (code, name) => ask('POST', 'join', name ? { code, name } : { code });
export const rename = (name) => ask('PUT', 'me', { name });
export const leave = () => ask('POST', 'leave', {});

export const lab = () => ask('GET', 'lab');
export const startLab = (order = {}) => ask('POST', 'lab?wait_ms=30000', order);
export const endLab = () => ask('DELETE', 'lab');
export const labState = () => ask('GET', 'lab/v1/state');
export const scenario = () => ask('GET', 'lab/v1/scenario');
export const forget = () => ask('DELETE', 'lab/v1/connections');
export const enterPhase = (phase) => ask('PUT', 'lab/v1/phase', { phase });
export const eventsAfter = (number) => `api/lab/v1/events?after=${number}`;

export const timeline = () => ask('GET', told('timeline'));
export const goTo = (at) => ask('PUT', told('timeline'), { at });

export const clients = () => ask('GET', told('clients'));
export const startClient = (id, order) => ask('POST', told(`clients/${id}`), order);
export const runs = () => ask('GET', told('runs'));
export const run = (leg, wait) => ask('GET', told(`runs/${leg}${wait ? `?wait_ms=${wait}` : ''}`));
export const stopRun = (leg) => ask('DELETE', `runs/${leg}`);
export const verdicts = () => ask('GET', told('verdicts'));
export const reports = () => ask('GET', told('reports'));
export const startReport = (wanted) => ask('POST', told('reports'), wanted);
export const stopReport = (id) => ask('DELETE', `reports/${id}`);

export const lastConnections = (most) => ask('GET', told(`connections?last=${most}`));
export const connectionsAfter = (id) => ask('GET', told(`connections?after=${id}&limit=500`));
export const story = (id) => ask('GET', told(`connections/${id}/story`));

export const lessons = () => ask('GET', told('lessons'));
export const lesson = (name) => ask('GET', told(`lessons/${encodeURIComponent(name)}`));
export const answer = (name, body) => ask('POST', told(`lessons/${encodeURIComponent(name)}/answers`), body);
export const progress = () => ask('GET', 'progress');
export const keepPlace = (place) => ask('PUT', 'progress', place);

export const takeaway = () => `api/${told('takeaway.html')}`;
export const recording = () => ask('GET', 'recording');
export const recordingFile = (name) => `api/recording/${name.split('/').map(encodeURIComponent).join('/')}`;

export const trainer = () => ask('GET', 'trainer');
export const participant = (id) => ask('GET', `trainer/participants/${id}`);
export const endLabOf = (id) => ask('POST', `trainer/participants/${id}/end-lab`, {});
export const linkFor = (id) => ask('POST', `trainer/participants/${id}/link`, {});
export const remove = (id) => ask('DELETE', `trainer/participants/${id}`);
export const pointTo = (lesson) => ask('POST', 'trainer/lesson', { lesson });
export const classCode = 'api/trainer/qr.svg';

async function ask(method, path, body) {
  const order = { method, headers: { accept: 'application/json' } };
  if (body !== undefined) Object.assign(order, { body: JSON.stringify(body), headers: { ...order.headers, 'content-type': 'application/json' } });
  const reply = await fetch(`api/${path}`, order).catch(() => {
    throw new Problem(0, { title: 'the lab does not answer' });
  });
  const text = await reply.text();
  const said = text ? parsed(text) : null;
  if (!reply.ok) throw new Problem(reply.status, said ?? {});
  return said;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 300) };
  }
}

/** The path, with the language in which text is wanted. */
const told = (path) => `${path}${path.includes('?') ? '&' : '?'}lang=${language()}`;
