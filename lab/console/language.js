// The words of the interface, in the language of whoever looks. The strings are in `lang/*.json`, one file a language;
// a translator needs no other. `{name}` is filled in; a string with plurals is an object by CLDR's categories.

export const LANGUAGES = { en: 'English', ru: 'Русский', kk: 'Қазақша' };

let words = {};
let code = 'en';
let plural = new Intl.PluralRules('en');

/** The language in use. */
export const language = () => code;

/** Loads the language: that of the address (`?lang=ru`), else the one chosen before, else the browser's. */
export async function start() {
  const asked = new URLSearchParams(location.search).get('lang');
  const wishes = [asked, localStorage.getItem(KEPT), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  await use(wishes.find((wish) => wish in LANGUAGES) ?? 'en');
}

/** Changes the language, and keeps the choice. */
export async function choose(next) {
  localStorage.setItem(KEPT, next);
  const address = new URL(location.href);
  if (address.searchParams.has('lang')) {
    address.searchParams.set('lang', next);
    history.replaceState(null, '', address);
  }
  await use(next);
}

/** The string of a key, filled in. What is missing shows as its key, so that it is seen and mended. */
export function t(key, values = {}) {
  let text = words[key] ?? key;
  if (typeof text === 'object') text = text[plural.select(values.n ?? 0)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? shown(values[name]) : whole));
}

/** True if there is such a string. */
export const has = (key) => key in words;

/** A number as this language writes it. */
export const number = (value, options) => new Intl.NumberFormat(known(Intl.NumberFormat) ? code : 'ru', options).format(value); // Kazakh writes numbers as Russian does

/** Bytes, in the unit that reads best. */
export function bytes(count) {
  const [unit, of] = count >= 1e6 ? ['megabyte', 1e6] : count >= 1e3 ? ['kilobyte', 1e3] : ['byte', 1];
  return number(count / of, { style: 'unit', unit, maximumFractionDigits: of === 1 ? 0 : 1 });
}

/** A moment of the scenario, in the scenario's own time zone (the one that its text names), whatever the machine's is. */
export function date(moment, style = 'long') {
  const local = localTime(moment);
  if (!known(Intl.DateTimeFormat)) return spelt(local, DATES[style]);
  return new Intl.DateTimeFormat(code === 'en' ? 'en-GB' : code, { timeZone: 'UTC', ...DATES[style] }).format(local);
}

/** Kazakh: the names of months and days come from the file of strings. */
function spelt(local, { day, month, year, weekday, hour }) {
  if (weekday) return t(`weekday.${local.getUTCDay()}`);
  const named = t(`month.${local.getUTCMonth() + 1}`);
  const parts = [year && t('date.year', { year: String(local.getUTCFullYear()) }), day && String(local.getUTCDate()), month === 'short' ? named.slice(0, 3) : month && named];
  const date = parts.filter(Boolean).join(' ');
  return [date, hour && local.toISOString().slice(11, 16)].filter(Boolean).join(', ');
}

/** Chromium says that it knows Kazakh, and writes `2019 M07 20`: not every browser carries its names. */
const known = (kind) => code !== 'kk' && kind.supportedLocalesOf(code).length > 0;

/** The moment with its own offset added, to be read as if it were UTC. */
export function localTime(moment) {
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)$/.exec(moment) ?? [null, '+', '0', '0'];
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
  return new Date(new Date(moment).getTime() + offset * 60_000);
}

/** How long ago, in words. */
export function ago(milliseconds) {
  if (!known(Intl.RelativeTimeFormat)) return t(milliseconds < 60_000 ? 'ago.now' : 'ago.minutes', { n: Math.round(milliseconds / 60_000) });
  const format = new Intl.RelativeTimeFormat(code, { numeric: 'auto', style: 'short' });
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return format.format(-seconds, 'second');
  return seconds < 5400 ? format.format(-Math.round(seconds / 60), 'minute') : format.format(-Math.round(seconds / 3600), 'hour');
}

async function use(next) {
  const [base, own] = await Promise.all([load('en'), next === 'en' ? {} : load(next)]);
  [words, code, plural] = [{ ...base, ...own }, next, new Intl.PluralRules(next)];
  document.documentElement.lang = next;
}

async function load(one) {
  const answer = await fetch(`lang/${one}.json`);
  return answer.ok ? answer.json() : {};
}

const shown = (value) => (typeof value === 'number' ? number(value) : value);

const KEPT = 'mitmlab.language';
const DATES = {
  long: { day: 'numeric', month: 'long', year: 'numeric' },
  weekday: { weekday: 'long' },
  short: { day: 'numeric', month: 'short' },
  time: { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  moment: { day: 'numeric', month: 'long', year: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
};
