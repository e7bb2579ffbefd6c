// What happened to a connection: its word, and its mark. A mark is a shape before it is a colour, so that it can be read in
// black and white, from the last row, and by whoever sees no red.

import { h, s } from './element.js';
import { t } from './language.js';

/** Every outcome, in the order in which legends show them. */
export const OUTCOMES = ['exposed', 'refused', 'handshake-only', 'blocked', 'untouched', 'unclear'];

/** The outcomes that legends always show, even at zero. */
export const MAIN = ['exposed', 'refused', 'blocked', 'untouched'];

/** The word for an outcome or a verdict. */
export const word = (outcome) => t(`outcome.${known(outcome)}`);

/** The mark alone; whoever uses it says the word beside it. */
export function mark(outcome, size = 18) {
  const svg = s('svg', { class: `mark ${known(outcome)}`, viewBox: '-10 -10 20 20', width: size, height: size, 'aria-hidden': 'true' });
  svg.append(...shape(outcome));
  return svg;
}

/** Mark and word; of a suite, its own word. */
export const badge = (outcome, text = word(outcome)) => h('span', { class: `badge ${known(outcome)}` }, mark(outcome), h('span', {}, text));

/** The mark's shapes around (0, 0), 18 wide. */
export function shape(outcome) {
  switch (known(outcome)) {
    case 'exposed': // an open eye: somebody read it
      return [s('path', { class: 'body', d: 'M-9.5 0Q0-10.5 9.5 0Q0 10.5-9.5 0Z' }), s('circle', { class: 'hole', r: 2.9 })];
    case 'refused': // a closed door
      return [s('rect', { class: 'body', x: -8, y: -8, width: 16, height: 16, rx: 1.5 }), s('rect', { class: 'hole', x: -5.2, y: -1.6, width: 10.4, height: 3.2 })];
    case 'untouched': // it went on its way
      return [s('path', { class: 'body', d: 'M-7-8.2L9 0L-7 8.2Z' })];
    case 'blocked':
      return [s('path', { class: 'stroke', d: 'M-6.5-6.5L6.5 6.5M6.5-6.5L-6.5 6.5' })];
    case 'handshake-only': // half of it
      return [s('circle', { class: 'ring', r: 7.5 }), s('path', { class: 'body', d: 'M0-7.5A7.5 7.5 0 0 0 0 7.5Z' })];
    case 'open':
      return [s('circle', { class: 'ring dotted', r: 6.5 })];
    default:
      return [s('path', { class: 'ring', d: 'M0-8.5L8.5 0L0 8.5L-8.5 0Z' })];
  }
}

/** What the events so far say of a connection. The server's word replaces it as soon as it is there. */
export function judge(row) {
  if (row.action === 'intercept') {
    if (row.sent > 0) return 'exposed';
    if (!row.ended) return 'open';
    return row.alerted || !row.shook ? 'refused' : 'handshake-only';
  }
  if (row.action?.endsWith('-starttls')) return row.ended ? 'unclear' : 'open'; // what crossed in the clear is the judge's to say
  if (row.action && row.action !== 'forward') return 'blocked';
  return row.ended ? 'untouched' : 'open';
}

/** A verdict of the judge as one of the outcomes that have a mark. Who was read in the clear was read. */
const known = (outcome) =>
  outcome === 'exposed-in-clear' ? 'exposed' : outcome === 'open' || OUTCOMES.includes(outcome) ? outcome : 'unclear';
