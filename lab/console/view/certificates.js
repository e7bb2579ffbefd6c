// The genuine and the forged certificate side by side, with every difference explained and its source.

import { h, s } from '../element.js';
import { date, has, t } from '../language.js';

export function certificates(story, app) {
  const pairs = (story.certificates ?? []).filter((pair) => pair.genuine || pair.presented);
  if (!pairs.length) return null;
  const forged = Boolean(story.forged_by);
  const [leaf, ...rest] = pairs;
  return h(
    'section',
    { class: 'certificates', 'aria-labelledby': 'cert-title' },
    h('h2', { id: 'cert-title' }, t(forged ? 'cert.title' : 'cert.title.genuine')),
    forged ? h('p', { class: 'lead' }, t('cert.lead')) : null,
    h('div', { class: `cards${forged ? ' two-cards' : ''}` }, forged ? [card(leaf.genuine, 'genuine'), card(leaf.presented, 'forged')] : card(leaf.presented ?? leaf.genuine, 'genuine')),
    forged ? differences(leaf, app) : null,
    forged ? rest.map((pair) => issuer(pair, app)) : null,
    story.forged_by ? h('p', { class: 'source' }, t('cert.profile'), ' ', story.forged_by.title ?? story.forged_by.profile, '. ', t('source'), ' ', (story.forged_by.sources ?? []).join('; ')) : null,
  );
}

/** A certificate as a document: to whom, from whom, until when. */
function card(certificate, kind) {
  if (!certificate) return h('article', { class: `card ${kind} missing` }, h('h3', {}, t(`cert.${kind}`)), h('p', {}, t('cert.unseen')));
  const rows = [['cert.for', common(certificate.subject)], ['cert.by', common(certificate.issuer), 'by'], ['cert.until', `${date(utc(certificate.not_before))} – ${date(utc(certificate.not_after))}`], ['cert.key', certificate.key], ['cert.names', certificate.names.join(', ')]];
  return h('article', { class: `card ${kind}` }, h('h3', {}, seal(kind), t(`cert.${kind}`)), h('dl', {}, rows.filter(([, value]) => value).map(([label, value, name]) => [h('dt', {}, t(label)), h('dd', { class: name ?? null }, value)])), h('details', { id: `raw-${kind}` }, h('summary', {}, t('cert.more')), h('dl', { class: 'raw' }, Object.entries({ subject: certificate.subject, issuer: certificate.issuer, serial: certificate.serial, SHA256: certificate.sha256, 'SHA256 (key)': certificate.spki_sha256 }).map(([label, value]) => [h('dt', {}, label), h('dd', {}, value)]))));
}

/** A whole seal, and a broken one. */
function seal(kind) {
  const broken = kind === 'forged' ? s('path', { class: 'crack', d: 'M13 1L9 9L14 12L10 23' }) : s('path', { class: 'whole', d: 'M7 12.5L10.5 16L17 8.5' });
  return s('svg', { class: 'seal', viewBox: '0 0 24 24', width: 30, height: 30, 'aria-hidden': 'true' }, s('circle', { cx: 12, cy: 12, r: 10.5 }), broken);
}

function differences(pair, app) {
  const rows = pair.differences ?? [];
  const weight = (row) => (FIRST.includes(row.field) ? FIRST.indexOf(row.field) : FIRST.length);
  const other = rows.filter((row) => !row.same).sort((a, b) => weight(a) - weight(b));
  const same = rows.filter((row) => row.same);
  const [told, further] = [other.filter((row) => weight(row) < FIRST.length), other.filter((row) => weight(row) === FIRST.length)];
  const id = `same-${pair.position}`;
  return h(
    'div',
    { class: 'differences' },
    h('h3', {}, t('cert.differences', { n: other.length })),
    table(told, app, t('cert.differences', { n: other.length })),
    further.length ? h('details', { id: `further-${pair.position}-fields`, class: 'same' }, h('summary', {}, t('cert.further', { n: further.length })), table(further, app, t('cert.further', { n: further.length }))) : null,
    same.length ? h('details', { id, class: 'same' }, h('summary', {}, t('cert.same', { n: same.length })), table(same, app, t('cert.same', { n: same.length }))) : null,
  );
}

function issuer(pair, app) {
  const label = has(`cert.position.${pair.position}`) ? t(`cert.position.${pair.position}`) : pair.position;
  return h('details', { id: `further-${pair.position}`, class: 'further' }, h('summary', {}, label), h('div', { class: 'cards two-cards' }, card(pair.genuine, 'genuine'), card(pair.presented, 'forged')), pair.differences?.length ? table(pair.differences.filter((row) => !row.same), app, label) : null);
}

function table(rows, app, caption) {
  const column = (label) => h('th', { scope: 'col', role: 'columnheader' }, t(label));
  const head = h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, ['cert.field', 'cert.genuine', 'cert.forged', 'cert.why'].map(column)));
  const body = rows.map((row) => h('tr', { role: 'row', class: row.same ? 'equal' : 'differs', data: { field: row.field } }, h('th', { scope: 'row', role: 'rowheader' }, sign(row.same), h('span', {}, row.label ?? row.field)), value('cert.genuine', row.genuine), value('cert.forged', row.forged), note(row)));
  // The roles are said, because on a narrow page the rows are laid out as blocks, and a table without its layout loses them.
  return h('table', { class: 'diff', role: 'table' }, h('caption', { class: 'unseen' }, caption), head, h('tbody', { role: 'rowgroup' }, body));
}

const value = (label, text) => h('td', { role: 'cell', data: { label: t(label) } }, text ? h('code', {}, text) : h('span', { class: 'absent' }, t('cert.absent')));

/** Why it differs, by which rule, and what that rests on. */
function note(row) {
  const line = (label, text) => (text ? h('p', { class: 'source' }, `${t(label)} ${text}`) : null);
  return h('td', { class: 'why', role: 'cell' }, row.why ? h('p', {}, row.why) : null, line('cert.rule', row.rule), line('source', row.source));
}

const sign = (same) => h('span', { class: 'sign' }, h('span', { 'aria-hidden': 'true' }, same ? '=' : '≠'), h('span', { class: 'unseen' }, t(same ? 'cert.equal' : 'cert.differs')));

/** The part of a name by which people know it. */
function common(name) {
  const part = (key) => new RegExp(`(?:^|, ?)${key}=([^,]+)`).exec(name)?.[1];
  return [part('CN') ?? part('O') ?? name, part('C')].filter(Boolean).join(', ');
}

/** What a reader should see first. The others keep their order. */
const FIRST = ['issuer', 'public key', 'not before', 'not after', 'timestamps', 'signature algorithm', 'serial'];
const utc = (moment) => moment.replace(/Z$/, '+00:00');
