// A question of a lesson. The lab checks the answer, from its own record where it can.

import * as connections from '../connections.js';
import { h, prose, put } from '../element.js';
import { t } from '../language.js';
import { word } from '../outcome.js';
import * as server from '../server.js';
import { clientName } from './common.js';

export function question(one, lesson, app) {
  const told = h('div', { class: 'told', role: 'status' });
  const ways = WAYS[one.kind] ?? WAYS.text;
  const field = ways(one);
  const button = h('button', { type: 'submit' }, t(one.kind === 'seen' ? 'question.look' : 'question.check'));
  const form = h('form', { class: 'question', data: { question: one.id } }, h('fieldset', {}, h('legend', {}, prose(one.prompt_html)), field.parts, button, told));
  if (one.answered?.right) verdict(form, told, true, t('question.right'));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const answer = field.answer();
    if (answer === null) return put(told, h('p', {}, t('question.empty')));
    button.disabled = true;
    try {
      const said = await server.answer(lesson.name, answer === undefined ? { question: one.id } : { question: one.id, answer });
      one.answered = { right: said.right, tries: said.tries, answer };
      verdict(form, told, said.right, t(said.right ? 'question.right' : 'question.wrong'), prose(said.told_html), said.hint_html ? h('details', { open: true }, h('summary', {}, t('question.hint')), prose(said.hint_html)) : null);
    } catch (problem) {
      put(told, h('p', { class: 'problem' }, problem.message));
    } finally {
      button.disabled = false;
    }
  });
  return form;
}

function verdict(form, told, right, ...what) {
  form.classList.toggle('right', right);
  form.classList.toggle('wrong', !right);
  const [first, ...rest] = what;
  put(told, h('p', { class: 'word' }, h('span', { 'aria-hidden': 'true' }, right ? '✓ ' : '✗ '), first), rest);
}

const option = (one, kind, text, value) => h('label', { class: 'option' }, h('input', { type: kind, name: `q-${one.id}`, value }), h('span', {}, text));

/** How each kind of question is answered: its form parts, and what they say. `null`: nothing yet; `undefined`: nothing needed. */
const WAYS = {
  choice: (one) => {
    const parts = one.choices.map((text, n) => option(one, 'radio', text, n));
    return { parts, answer: () => checked(parts)[0] ?? null };
  },
  choices: (one) => {
    const parts = one.choices.map((text, n) => option(one, 'checkbox', text, n));
    return { parts, answer: () => (checked(parts).length ? checked(parts) : null) };
  },
  text: (one) => {
    const input = h('input', { type: 'text', 'aria-label': t('question.answer'), autocomplete: 'off' });
    return { parts: [input], answer: () => input.value.trim() || null };
  },
  field: () => {
    const input = h('select', { 'aria-label': t('question.field') }, h('option', { value: '' }, t('question.choose')));
    fields().then((list) => input.append(...list.map(({ field, label }) => h('option', { value: field }, label))));
    return { parts: [input], answer: () => input.value || null };
  },
  connection: () => {
    const input = h('select', { 'aria-label': t('question.connection') });
    const fill = () => {
      const kept = input.value;
      const rows = connections.all().slice(-50).reverse();
      put(input, h('option', { value: '' }, t('question.choose')), rows.map((row) => h('option', { value: row.id, selected: String(row.id) === kept }, `${row.id}: ${clientName(row.client)} → ${row.host}, ${word(row.outcome)}`)));
    };
    fill();
    input.addEventListener('focus', fill);
    return { parts: [input], answer: () => (input.value ? Number(input.value) : null) };
  },
  seen: () => ({ parts: [], answer: () => undefined }),
};
WAYS.value = WAYS.text;

const checked = (parts) => parts.map((part) => part.querySelector('input')).filter((input) => input.checked).map((input) => Number(input.value));

/** The fields of the last forged certificate that was seen here; without one, those that every certificate has. */
async function fields() {
  const row = connections.all().findLast((one) => one.action === 'intercept' && one.ended);
  const story = row ? await server.story(row.id).catch(() => null) : null;
  const rows = story?.certificates?.[0]?.differences ?? [];
  return rows.length ? rows.map(({ field, label }) => ({ field, label: label ?? field })) : USUAL.map((field) => ({ field, label: field }));
}

const USUAL = ['version', 'serial', 'signature algorithm', 'issuer', 'not before', 'not after', 'subject', 'public key', 'subject-alt-name', 'timestamps'];
