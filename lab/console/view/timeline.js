// The timeline of the campaign: a slider through its days that moves the scenario's clock, and what happened in the world on that day.
//
// The phases come from the scenario; the days of the real world, with their sources, from `days/SCENARIO.json`.

import { h, put } from '../element.js';
import { date, language, localTime, t } from '../language.js';
import * as server from '../server.js';

export function drawTimeline(section, app) {
  const state = { line: null, days: [], at: null, waiting: null, asking: null, moving: 0 };
  const parts = {
    day: h('p', { class: 'day' }),
    slider: h('input', { type: 'range', id: 'time-slider', min: 0, step: 1, disabled: true, 'aria-labelledby': 'time-title' }),
    strip: h('div', { class: 'strip', 'aria-hidden': 'true' }),
    told: h('div', { class: 'told' }),
  };
  const back = h('button', { type: 'button', class: 'step', on: { click: () => jump(-1) } }, h('span', { 'aria-hidden': 'true' }, '←'), h('span', { class: 'unseen' }, t('time.before')));
  const on = h('button', { type: 'button', class: 'step', on: { click: () => jump(1) } }, h('span', { 'aria-hidden': 'true' }, '→'), h('span', { class: 'unseen' }, t('time.after')));
  put(section, h('div', { class: 'clock' }, h('h2', { id: 'time-title' }, t('time.title')), parts.day), h('div', { class: 'way' }, back, h('div', { class: 'rail' }, parts.strip, parts.slider), on), parts.told);

  parts.slider.addEventListener('input', () => {
    state.at = momentOf(state, Number(parts.slider.value));
    draw();
    clearTimeout(state.waiting);
    state.waiting = setTimeout(() => move(state.at), SETTLE_MS);
  });
  // A phase may be entered elsewhere too: by a lesson, in another tab. The event tells that, the server where the clock is now.
  const stopHearing = app.hear((event) => {
    if (event.event !== 'phase:enter') return;
    clearTimeout(state.asking);
    state.asking = setTimeout(() => !state.moving && !state.waiting && load().catch(() => {}), SETTLE_MS);
  });

  async function load() {
    const line = await server.timeline();
    state.line = line;
    state.days = await daysOf(line.scenario);
    state.at = line.clock ?? state.at ?? firstForgery(line);
    if (!line.phases.some((phase) => phase.from)) return put(section);
    parts.slider.disabled = false;
    draw();
  }

  async function move(at) {
    clearTimeout(state.waiting);
    state.waiting = null;
    state.at = at;
    state.moving += 1;
    draw();
    try {
      state.line = await server.goTo(at);
      if (at === state.at) state.at = state.line.clock ?? at;
      app.said(t('time.moved', { date: date(at) }));
    } catch (problem) {
      put(parts.told, h('p', { class: 'problem', role: 'alert' }, problem.message));
    } finally {
      state.moving -= 1;
    }
    if (!state.waiting) draw();
  }

  function jump(way) {
    const stops = stopsOf(state);
    const now = new Date(state.at).getTime();
    const next = way > 0 ? stops.find((stop) => stop.time > now) : stops.findLast((stop) => stop.time < now);
    if (next) move(next.at);
  }

  function draw() {
    if (!state.line) return;
    const range = rangeOf(state.line);
    const place = Math.min(Math.max(dayNumber(state.at) - range.first, 0), range.days);
    parts.slider.max = range.days;
    if (Number(parts.slider.value) !== place) parts.slider.value = place;
    parts.slider.setAttribute('aria-valuetext', [date(state.at), phaseAt(state)?.name].filter(Boolean).join(', '));
    put(parts.day, h('span', { class: 'weekday' }, date(state.at, 'weekday')), h('strong', {}, date(state.at)), h('span', { class: 'hour' }, date(state.at, 'time')));
    strip(parts.strip, state, range);
    told(parts.told, state);
  }

  load().catch((problem) => put(section, h('p', { class: 'problem' }, problem.message)));
  const stop = () => {
    stopHearing();
    clearTimeout(state.asking);
  };
  return { move, stop };
}

/** The phases as a band, and the days that something happened as ticks. */
function strip(place, state, range) {
  const share = (moment) => `${Math.min(Math.max((dayPlace(moment) - range.first) / range.days, 0), 1) * 100}%`;
  const now = phaseAt(state);
  const bands = state.line.phases.filter((phase) => phase.from).map((phase) => {
    const forging = phase.rules.some((rule) => rule.action === 'intercept');
    const end = phase.to ?? new Date((range.first + range.days + 1) * DAY).toISOString();
    return h('span', { class: `band${forging ? ' forging' : ''}${phase === now ? ' now' : ''}`, vars: { from: share(phase.from), to: share(end) } });
  });
  const ticks = state.days.map((day) => h('span', { class: 'tick', vars: { at: share(day.at) } }));
  put(place, bands, ticks);
}

/** What changed in the real world last, and what the box does now. */
function told(place, state) {
  const now = new Date(state.at).getTime();
  const day = state.days.findLast((one) => new Date(one.at).getTime() <= endOfDay(state.at, now));
  const phase = phaseAt(state);
  const rules = phase?.rules ?? [];
  put(
    place,
    h('div', { class: 'world' }, h('h3', {}, t('time.world')), day ? [h('p', {}, h('strong', {}, date(day.at, 'short')), ' — ', day.text[language()] ?? day.text.en), h('p', { class: 'source' }, t('source'), ' ', day.source)] : h('p', {}, t('time.quiet'))),
    h('div', { class: 'box-now' }, h('h3', {}, t('time.box')), phase?.about ? [h('p', {}, phase.about), phase.sources.length ? h('p', { class: 'source' }, t('source'), ' ', phase.sources.join('; ')) : null] : null, rules.length ? [...new Set(rules.map((rule) => rule.words))].slice(0, 3).map((words) => h('p', {}, words)) : h('p', {}, t('time.idle')), phase?.notice ? h('blockquote', {}, h('p', {}, phase.notice.text), h('footer', {}, phase.notice.from)) : null),
  );
}

const phaseAt = (state) => state.line.phases.findLast((phase) => phase.from && new Date(phase.from) <= new Date(state.at));

/** A day's event belongs to the whole of its day. */
const endOfDay = (at, now) => Math.max(now, now + (DAY - (localTime(at).getTime() % DAY)) - 1);

/** Every moment at which something changed, in order, each once. */
function stopsOf(state) {
  const moments = [...state.line.phases.map((phase) => phase.from).filter(Boolean), ...state.days.map((day) => day.at)];
  const stops = moments.map((at) => ({ at, time: new Date(at).getTime() })).sort((a, b) => a.time - b.time);
  return stops.filter((stop, n) => n === 0 || stop.time - stops[n - 1].time >= HOUR);
}

function rangeOf(line) {
  const starts = line.phases.map((phase) => phase.from).filter(Boolean).map(dayNumber);
  const first = Math.min(...starts);
  return { first, days: Math.max(...starts) - first + MARGIN_DAYS };
}

/** The moment that a day of the slider stands for: noon, or the last change of phase on that day. */
function momentOf(state, place) {
  const number = rangeOf(state.line).first + place;
  const begins = state.line.phases.map((phase) => phase.from).filter((from) => from && dayNumber(from) === number && localTime(from).getUTCHours() > 0);
  if (begins.length) return begins.at(-1);
  const zone = /[+-]\d\d:\d\d$/.exec(state.line.phases.find((phase) => phase.from).from)?.[0] ?? '+00:00';
  return `${new Date(number * DAY).toISOString().slice(0, 10)}T12:00:00${zone}`;
}

const firstForgery = (line) => line.phases.findLast((phase) => phase.rules.length > 1)?.from ?? line.phases.find((phase) => phase.rules.length)?.from ?? line.phases[0]?.from;

async function daysOf(scenario) {
  if (!TOLD.includes(scenario)) return [];
  const reply = await fetch(`days/${encodeURIComponent(scenario)}.json`);
  return reply.ok ? (await reply.json()).days : [];
}

/** Scenarios whose days in the real world are written down. */
const TOLD = ['kazakhstan-2019'];
const dayPlace = (moment) => localTime(moment).getTime() / DAY;
const dayNumber = (moment) => Math.floor(dayPlace(moment));
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MARGIN_DAYS = 10;
/** A slider that is dragged sends its last place only. */
const SETTLE_MS = 250;
