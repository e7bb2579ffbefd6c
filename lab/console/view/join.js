// The door: somebody has come without a link, or with one that is no longer good.

import { h, put } from '../element.js';
import { t } from '../language.js';
import * as server from '../server.js';

export function joinView(main, app) {
  const problem = h('p', { class: 'problem', role: 'alert' }, app.refusal ? t('join.refused') : '');
  const code = h('input', { type: 'text', id: 'join-code', autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', required: true });
  const name = h('input', { type: 'text', id: 'join-name', autocomplete: 'off', maxlength: 40 });
  const form = h(
    'form',
    { class: 'join' },
    h('p', {}, h('label', { for: 'join-code' }, t('join.code')), code),
    h('p', {}, h('label', { for: 'join-name' }, t('join.name')), name, h('small', {}, t('join.name.why'))),
    h('button', { type: 'submit', class: 'first' }, t('join.button')),
    problem,
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      const secret = /join=([^&]+)/.exec(code.value)?.[1] ?? code.value.trim();
      await app.signIn(await server.join(secret, name.value.trim()));
    } catch (failed) {
      problem.textContent = failed.status === 403 ? t('join.refused') : failed.message;
    }
  });
  put(main, h('h1', { tabindex: '-1' }, t('join.title')), h('p', { class: 'lead' }, t('join.lead')), form, h('p', { class: 'hint' }, t('join.safe')));
}
