// The lessons that there are, and how far one is in each.

import { h, put } from '../element.js';
import { LANGUAGES, language, t } from '../language.js';
import * as server from '../server.js';

export function lessonsView(main, app) {
  const list = h('ol', { class: 'lessons' });
  put(main, h('h1', { tabindex: '-1' }, t('lessons.title')), h('p', { class: 'lead' }, t('lessons.lead')), list);
  Promise.all([server.lessons(), server.progress().catch(() => ({ lessons: {} }))]).then(([{ lessons }, progress]) => put(list, lessons.map((lesson) => item(lesson, progress.lessons?.[lesson.name], app))), (problem) => put(list, h('li', { class: 'problem' }, problem.message)));
}

function item(lesson, done, app) {
  const open = () => app.panel(lesson.name, done?.step ?? 0).then(() => document.querySelector('#lesson h2')?.focus());
  const right = done?.right ?? 0;
  const pointed = app.me.workshop?.lesson === lesson.name;
  const other = lesson.languages.includes(language()) ? null : h('p', { class: 'hint' }, t('lessons.languages', { names: lesson.languages.map((code) => LANGUAGES[code] ?? code).join(', ') }));
  return h(
    'li',
    { class: pointed ? 'pointed' : null },
    h('h2', {}, lesson.title),
    h('p', {}, lesson.goal),
    h('p', { class: 'facts' }, [t('lessons.minutes', { n: lesson.minutes }), t(`lessons.level.${lesson.level}`), lesson.questions ? t('lessons.questions', { n: lesson.questions }) : null, right ? t('lessons.right', { n: right }) : null].filter(Boolean).join(' · ')),
    other,
    h('button', { type: 'button', data: { lesson: lesson.name }, class: pointed ? 'first' : null, on: { click: open } }, t(done?.step ? 'lessons.continue' : 'lessons.begin')),
  );
}
