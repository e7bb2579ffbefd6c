// A lesson, beside the console: one step at a time, with buttons that do what the step says, and questions that the lab checks.

import { h, prose, put } from '../element.js';
import { t } from '../language.js';
import * as server from '../server.js';
import { follow } from './bench.js';
import { question } from './question.js';

/** Puts a lesson into the panel; without a name, closes it. */
export async function lessonPanel(panel, app, name, at = 0) {
  panel.hidden = !name;
  if (!name) {
    localStorage.setItem(CLOSED, 'yes');
    return void put(panel);
  }
  localStorage.removeItem(CLOSED);
  put(panel, h('p', { class: 'running' }, t('busy')));
  try {
    const lesson = await server.lesson(name);
    step(panel, app, lesson, Math.min(at, lesson.steps.length - 1), false);
  } catch (problem) {
    put(panel, h('p', { class: 'problem', role: 'alert' }, problem.message));
  }
}

function step(panel, app, lesson, at, moved = true) {
  const now = lesson.steps[at];
  const last = lesson.steps.length - 1;
  const go = (next) => () => step(panel, app, lesson, next);
  panel.dataset.step = String(at);
  panel.setAttribute('aria-label', lesson.title);
  put(
    panel,
    h('header', {}, h('p', { class: 'over' }, lesson.title), h('button', { type: 'button', class: 'quiet close', on: { click: () => app.panel(null) } }, h('span', { 'aria-hidden': 'true' }, '×'), h('span', { class: 'unseen' }, t('lesson.close')))),
    h('p', { class: 'place' }, t('lesson.step', { at: at + 1, of: last + 1 }), h('progress', { max: last + 1, value: at + 1, 'aria-label': t('lesson.progress') })),
    h('h2', { tabindex: '-1' }, now.title),
    prose(now.html),
    now.do.length ? h('ul', { class: 'do' }, now.do.map((one) => h('li', {}, deed(one, lesson, app)))) : null,
    now.questions.map((one) => question(one, lesson, app)),
    now.hints.map((hint, n) => h('details', { class: 'hints' }, h('summary', {}, t('lesson.hint', { at: n + 1 })), prose(hint))),
    lesson.trainer_html ? h('details', { class: 'trainers' }, h('summary', {}, t('lesson.trainer')), prose(lesson.trainer_html)) : null,
    h('nav', { class: 'turn', 'aria-label': t('lesson.turn') }, h('button', { type: 'button', disabled: at === 0, on: { click: go(at - 1) } }, t('lesson.back')), at < last ? h('button', { type: 'button', class: 'first', on: { click: go(at + 1) } }, t('lesson.next')) : h('button', { type: 'button', class: 'first', on: { click: () => { app.panel(null); app.go('lessons'); } } }, t('lesson.done'))),
    at === last ? sources(lesson) : null,
  );
  panel.scrollTop = 0;
  server.keepPlace({ lesson: lesson.name, step: at }).catch(() => {});
  if (moved) panel.querySelector('h2').focus({ preventScroll: true });
}

function sources(lesson) {
  if (!lesson.sources.length) return null;
  return h('section', { class: 'sources' }, h('h3', {}, t('lesson.sources')), h('ul', {}, lesson.sources.map(({ text, url }) => h('li', {}, text === url || !url ? text : `${text}, ${url}`))));
}

/** A button that does what the step asks for. */
function deed(one, lesson, app) {
  const told = h('p', { class: 'told', role: 'status' });
  const button = h('button', { type: 'button', class: 'deed', data: { kind: one.kind } }, h('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[one.kind] ?? '•'), h('span', {}, one.title));
  button.addEventListener('click', async () => {
    button.setAttribute('aria-busy', 'true');
    try {
      if (one.kind !== 'open') await inItsLab(lesson, app);
      put(told, await DEEDS[one.kind](one, app));
      button.classList.add('was-done');
    } catch (problem) {
      put(told, problem.message);
    } finally {
      button.removeAttribute('aria-busy');
    }
  });
  return [button, told];
}

/** The lab of the lesson's own scenario; at the first deed of a lesson, in the phase in which it begins. */
async function inItsLab(lesson, app) {
  await app.up(app.lab?.scenario === lesson.scenario ? undefined : { scenario: lesson.scenario, phase: lesson.phase ?? undefined });
  const begun = `${lesson.name} ${app.lab.generation}`;
  if (sessionStorage.getItem(BEGUN) === begun) return;
  if (lesson.phase) await server.enterPhase(lesson.phase);
  sessionStorage.setItem(BEGUN, begun);
}

const DEEDS = {
  client: async (one, app) => {
    const run = await follow(await server.startClient(one.client, { trust: one.trust, host: one.host }));
    app.lastRun = run;
    const link = run.connections?.length ? h('a', { href: `#/connection/${run.connections[0]}` }, t('bench.story')) : null;
    return [run.sentence ?? run.error ?? '', ' ', link];
  },
  phase: async (one, app) => {
    await server.enterPhase(one.phase);
    return t('lesson.did');
  },
  clock: async (one, app) => {
    await server.goTo(one.at);
    return t('lesson.did');
  },
  open: async (one, app) => {
    app.go({ network: '', timeline: '', clients: '' }[one.view] ?? one.view);
    return '';
  },
};
/** The server keeps the place in a lesson; that its panel was closed is this browser's own matter. */
export const CLOSED = 'mitmlab.lesson-closed';
/** The lesson of which something was done in which lab, in this tab. */
const BEGUN = 'mitmlab.lesson-begun';
const SIGNS = { client: '▶', phase: '◷', clock: '◷', open: '→' };
