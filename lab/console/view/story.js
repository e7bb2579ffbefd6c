// One connection's story: step by step, the two certificates side by side, what was readable, and how the client reacted.

import * as connections from '../connections.js';
import { h, put } from '../element.js';
import { t } from '../language.js';
import { badge, mark } from '../outcome.js';
import * as server from '../server.js';
import { certificates } from './certificates.js';
import { soon } from './common.js';

export function storyView(main, app, [id]) {
  let stopped = false;
  let drawn = '';
  put(main, h('p', { class: 'back' }, h('a', { href: '#/connections' }, t('story.back'))), h('h1', { tabindex: '-1' }, t('story.title', { id })), h('p', { class: 'running' }, t('busy')));

  async function load() {
    try {
      const story = await server.story(Number(id));
      const text = JSON.stringify(story);
      if (stopped || text === drawn) return;
      drawn = text;
      draw(main, story, app);
    } catch (problem) {
      if (!stopped) put(main, h('p', { class: 'back' }, h('a', { href: '#/connections' }, t('story.back'))), h('h1', { tabindex: '-1' }, t('story.title', { id })), h('p', { class: 'problem', role: 'alert' }, problem.message));
    }
  }
  load();
  const later = soon(load);
  const unwatch = connections.watch(({ row }) => String(row?.id) === id && later());
  return () => {
    stopped = true;
    unwatch();
  };
}

function draw(main, story, app) {
  const open = [...main.querySelectorAll('details[open]')].map((one) => one.id);
  const heading = h('h1', { tabindex: '-1' }, story.host);
  const focused = document.activeElement?.tagName === 'H1';
  put(
    main,
    h('p', { class: 'back' }, h('a', { href: '#/connections' }, t('story.back'))),
    h('header', { class: `verdict ${story.outcome}` }, mark(story.outcome, 52), h('div', {}, h('p', { class: 'over' }, t('story.title', { id: story.id }), ' · ', badge(story.outcome)), heading, h('p', { class: 'lead' }, story.sentence))),
    certificates(story, app),
    h('div', { class: 'two' }, steps(story), h('div', {}, reaction(story), readable(story))),
  );
  for (const one of open) if (one) main.querySelector(`#${CSS.escape(one)}`)?.setAttribute('open', '');
  document.title = `${story.host} · mitmlab`;
  if (focused) heading.focus({ preventScroll: true });
}

function steps(story) {
  const items = story.steps.map((step, n) => {
    const detail = step.detail?.length ? h('details', { id: `step-${n}` }, h('summary', {}, t('story.detail')), h('dl', {}, step.detail.map(([label, value]) => [h('dt', {}, label), h('dd', {}, String(value))]))) : null;
    return h('li', { class: `step ${step.who} ${step.kind}` }, h('p', { class: 'by' }, t(`who.${step.who}`)), h('h3', {}, step.title), h('p', {}, step.text), detail);
  });
  return h('section', { class: 'steps', 'aria-labelledby': 'steps-title' }, h('h2', { id: 'steps-title' }, t('story.steps')), h('ol', {}, items));
}

function reaction(story) {
  if (!story.reaction) return null;
  return h('section', { class: 'reaction', 'aria-labelledby': 'reaction-title' }, h('h2', { id: 'reaction-title' }, t('story.reaction')), h('p', {}, story.reaction));
}

/** What somebody on the way could read. Secrets never leave the lab: it keeps their kind and length only. */
function readable(story) {
  const lines = story.readable ?? [];
  const read = lines.length ? h('dl', { class: 'readable' }, lines.map(({ what, text }) => [h('dt', {}, what), h('dd', {}, text)])) : h('p', {}, t('story.nothing-readable'));
  return h('section', { class: 'read', 'aria-labelledby': 'read-title' }, h('h2', { id: 'read-title' }, t('story.readable')), read, lines.length ? h('p', { class: 'hint' }, t('story.masked')) : null);
}
