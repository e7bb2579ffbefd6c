// The trainer's view: how everyone is doing, the link for the class, and the lesson that the workshop points to.

import { h, put, wrap } from '../element.js';
import { ago, number, t } from '../language.js';
import * as server from '../server.js';

export function trainerView(main, app) {
  let stopped = false;
  const [way, class_, detail] = [h('section', { class: 'class-link', 'aria-labelledby': 'way-title' }), h('section', { class: 'class', 'aria-labelledby': 'class-title' }), h('section', { class: 'one-participant', 'aria-live': 'polite' })];
  put(main, h('h1', { tabindex: '-1' }, t('trainer.title')), way, class_, detail);
  const lessons = server.lessons().then((all) => all.lessons, () => []);

  async function load() {
    const now = await server.trainer().catch((problem) => ({ problem }));
    if (stopped) return;
    if (now.problem) put(class_, h('p', { class: 'problem', role: 'alert' }, now.problem.message));
    else {
      if (!way.childElementCount) doorway(way, now, await lessons, app);
      draw(class_, now, await lessons, (id) => open(detail, id, now, load));
    }
    if (!stopped) setTimeout(load, POLL_MS);
  }
  load();
  return () => (stopped = true);
}

function doorway(section, now, lessons, app) {
  const code = /join=([^&]+)/.exec(now.class_link)?.[1];
  const own = h('p', {}, h('button', { type: 'button', class: 'first own-lab', on: { click: async () => app.signIn(await server.join(code)) } }, t('trainer.own')));
  const link = h('input', { type: 'text', readonly: true, id: 'class-link', value: now.class_link, on: { focus: (event) => event.target.select() } });
  const copy = h('button', { type: 'button', on: { click: async () => { await navigator.clipboard?.writeText(now.class_link).catch(() => link.select()); app.said(t('trainer.copied')); copy.textContent = t('trainer.copied'); } } }, t('trainer.copy'));
  const pointed = h('select', { id: 'pointed', on: { change: (event) => server.pointTo(event.target.value) } }, lessons.map((lesson) => h('option', { value: lesson.name, selected: lesson.name === app.me.workshop?.lesson }, lesson.title)));
  put(
    section,
    h('div', {}, app.me.participant ? null : own, h('h2', { id: 'way-title' }, t('trainer.link')), h('p', {}, t(now.loopback ? 'trainer.link.loopback' : 'trainer.link.open')), h('p', { class: 'line' }, h('label', { class: 'unseen', for: 'class-link' }, t('trainer.link')), link, copy), now.warning ? h('p', { class: 'warning' }, now.warning) : null, h('p', { class: 'line' }, h('label', { for: 'pointed' }, t('trainer.lesson')), pointed)),
    now.loopback ? null : h('img', { class: 'qr', src: server.classCode, alt: t('trainer.qr'), width: 180, height: 180 }),
  );
}

function draw(section, now, lessons, open) {
  const focused = document.activeElement?.dataset?.participant;
  const titles = new Map(lessons.map((lesson) => [lesson.name, lesson.title]));
  const rows = now.participants.map((one) => row(one, titles, open));
  const columns = ['name', 'seen', 'lesson', 'progress', 'answers', 'lab'].map((name) => h('th', { scope: 'col', role: 'columnheader' }, t(`trainer.${name}`)));
  const table = h('table', { class: 'grid stack', role: 'table' }, h('caption', { class: 'unseen' }, t('trainer.class')), h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns)), h('tbody', { role: 'rowgroup' }, rows));
  put(section, h('h2', { id: 'class-title' }, t('trainer.class')), h('p', { class: 'facts' }, t('trainer.count', { n: now.participants.length, most: now.most, labs: now.labs_up })), rows.length ? table : h('p', { class: 'empty' }, t('trainer.nobody')));
  if (rows.length) wrap(table, t('trainer.class'));
  if (focused) section.querySelector(`[data-participant="${CSS.escape(focused)}"]`)?.focus();
}

function row(one, titles, open) {
  const name = h('button', { type: 'button', class: 'quiet', data: { participant: one.id }, on: { click: () => open(one.id) } }, one.name || t('trainer.unnamed', { id: one.id }));
  const bar = one.steps ? h('progress', { max: one.steps, value: one.step, 'aria-label': t('lesson.progress') }) : null;
  const lab = one.lab?.state ?? 'none';
  const cell = (label, ...what) => h('td', { role: 'cell', class: `cell-${label}`, data: { label: t(`trainer.${label}`) } }, what);
  return h(
    'tr',
    { role: 'row' },
    h('th', { scope: 'row', role: 'rowheader' }, name),
    cell('seen', ago(one.seen_ms_ago)),
    cell('lesson', titles.get(one.lesson) ?? one.lesson ?? '–'),
    cell('progress', bar, one.steps ? h('span', {}, ` ${number(one.step)}/${number(one.steps)}`) : '–'),
    cell('answers', one.questions ? t('trainer.right', { n: one.right, of: one.questions }) : '–'),
    cell('lab', h('span', { class: `labstate ${lab}` }, t(`lab.${lab}`)), one.memory_kb ? h('small', {}, ` ${number(Math.round(one.memory_kb / 1024))} MB`) : null),
  );
}

async function open(section, id, now, again) {
  const one = now.participants.find((row) => row.id === id);
  const { answers } = await server.participant(id);
  const act = (work) => async () => {
    await work().catch(() => {});
    put(section);
    again();
  };
  const link = h('p', { class: 'line' });
  const heading = h('h2', { tabindex: '-1' }, one.name || t('trainer.unnamed', { id }));
  const list = answers.map((answer) => h('li', { class: answer.right ? 'right' : 'wrong' }, h('span', { 'aria-hidden': 'true' }, answer.right ? '✓ ' : '✗ '), h('strong', {}, answer.prompt), ` ${answer.answer ?? ''} — ${t(answer.right ? 'question.right' : 'question.wrong')}, ${t('trainer.tries', { n: answer.tries })}`));
  put(
    section,
    heading,
    list.length ? h('ul', { class: 'answers' }, list) : h('p', { class: 'empty' }, t('trainer.no-answers')),
    h('p', { class: 'line' }, h('button', { type: 'button', on: { click: async () => put(link, h('input', { readonly: true, 'aria-label': t('trainer.link.one'), value: (await server.linkFor(id)).link })) } }, t('trainer.link.one')), h('button', { type: 'button', on: { click: act(() => server.endLabOf(id)) } }, t('trainer.end')), h('button', { type: 'button', class: 'danger', on: { click: act(() => server.remove(id)) } }, t('trainer.remove'))),
    link,
  );
  heading.focus();
}

const POLL_MS = 2000;
