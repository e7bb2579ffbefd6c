// The console's beginning: who looks, in which language, at which view; and the one stream of events that all views share.

import * as connections from './connections.js';
import { h, put } from './element.js';
import { follow } from './events.js';
import * as language from './language.js';
import { t } from './language.js';
import * as server from './server.js';
import * as theme from './theme.js';
import { joinView } from './view/join.js';
import { labView } from './view/lab.js';
import { CLOSED, lessonPanel } from './view/lesson.js';
import { lessonsView } from './view/lessons.js';
import { listView } from './view/list.js';
import { storyView } from './view/story.js';
import { trainerView } from './view/trainer.js';
import { verdictsView } from './view/verdicts.js';

/** What views share: who is here, the lab, and what they may ask of the page. */
const app = { me: null, lab: null, online: 'waiting', heard: new Set(), said, go, panel, up, hear, redraw, signIn, keepMe };

const VIEWS = { '': labView, connections: listView, connection: storyView, verdicts: verdictsView, lessons: lessonsView, trainer: trainerView, join: joinView };
const PLACES = [['', 'nav.lab'], ['connections', 'nav.connections'], ['verdicts', 'nav.verdicts'], ['lessons', 'nav.lessons'], ['trainer', 'nav.trainer']];

/** A start is waited for by half a minute each. */
const ROUNDS = 10;

let leaveView = () => {};
let unfollow = null;
let lessonName = null;

await language.start();
theme.start();
await begin();

async function begin() {
  const code = new URLSearchParams(location.hash.slice(1)).get('join');
  try {
    app.me = code ? await server.join(code) : await server.me();
    if (code) history.replaceState(null, '', `${location.pathname}${location.search}#/${app.me.participant ? '' : 'trainer'}`);
  } catch (problem) {
    app.refusal = problem;
    app.me = await server.me().catch(() => ({ participant: null, trainer: false, workshop: {} }));
    if (code) history.replaceState(null, '', `${location.pathname}${location.search}#/join`);
  }
  addEventListener('hashchange', () => show(true));
  if (app.me.participant) await findLab();
  show(false);
  if (app.me.participant) await resumeLesson();
}

/** The lab, if it is up already. */
async function findLab() {
  app.lab = await server.lab().catch(() => null);
  if (app.lab?.state === 'up') await attach();
}

/** Makes sure that the lab is up, and follows it. */
async function up(order) {
  if (app.lab?.state === 'up' && unfollow && !order) return app.lab;
  if (order) {
    unfollow?.(); // another lab comes in its place: the end of this one is no news
    unfollow = null;
  }
  app.lab = await server.startLab(order);
  for (let round = 0; app.lab.state === 'starting' && round < ROUNDS; round += 1) app.lab = await server.startLab(order); // many at once take their turns
  if (app.lab.state !== 'up') throw new server.Problem(503, { title: app.lab.error ?? t('lab.not-up') });
  await attach();
  return app.lab;
}

async function attach() {
  unfollow?.();
  connections.reset();
  const state = await server.labState();
  await connections.load();
  unfollow = follow(state.next_seq - 1, {
    took: (event, kind) => {
      if (kind === 'gap') return connections.load();
      connections.take(event);
      for (const listener of app.heard) listener(event);
    },
    state: (now) => {
      if (now === 'live' && app.online === 'waiting') app.lab = { ...app.lab, state: 'up' };
      app.online = now;
      drawTop();
    },
    ended: (lab) => {
      unfollow = null;
      app.lab = lab;
      app.online = 'waiting';
      said(t('lab.over'));
      show(false);
    },
  });
}

/** Hears the lab's events. Gives the way to stop. */
function hear(listener) {
  app.heard.add(listener);
  return () => app.heard.delete(listener);
}

/** Draws the view that the address names. With `moved`, the reader came here by a link: the focus follows. */
function show(moved) {
  const [name, ...rest] = location.hash.replace(/^#\/?/, '').split('/');
  const wanted = VIEWS[name] ? name : '';
  const allowed = wanted === 'trainer' ? app.me.trainer : wanted === 'join' || Boolean(app.me.participant);
  const view = allowed ? VIEWS[wanted] : app.me.trainer ? trainerView : joinView;
  leaveView();
  drawTop();
  const main = document.getElementById('main');
  main.className = `view-${allowed ? wanted || 'lab' : 'join'}`;
  leaveView = view(main, app, rest.map(decodeURIComponent)) ?? (() => {});
  const heading = main.querySelector('h1');
  document.title = [heading?.textContent, 'mitmlab'].filter(Boolean).join(' · ');
  if (!moved) return;
  scrollTo(0, 0);
  (heading ?? main).focus({ preventScroll: true });
}

function drawTop() {
  const here = location.hash.replace(/^#\/?/, '').split('/')[0];
  const at = here === 'connection' ? 'connections' : here;
  const open = PLACES.filter(([place]) => (place === 'trainer' ? app.me.trainer : app.me.participant));
  const links = open.map(([place, label]) => h('li', {}, h('a', { href: `#/${place}`, 'aria-current': place === at ? 'page' : null }, t(label))));
  document.getElementById('skip').textContent = t('skip');
  const focused = document.activeElement?.closest?.('#top select')?.dataset.name;
  put(
    document.getElementById('top'),
    h('a', { class: 'brand', href: '#/', 'aria-label': 'mitmlab' }, h('img', { src: 'mark.svg', alt: '', width: 26, height: 26 }), h('span', {}, 'mitmlab')),
    links.length ? h('nav', { 'aria-label': t('nav.label') }, h('ul', {}, links)) : null,
    h('div', { class: 'tools' }, lifeline(), lessonButton(), languageChoice(), themeChoice()),
  );
  if (focused) document.querySelector(`#top select[data-name="${focused}"]`)?.focus();
}

/** Whether the page hears the lab. */
function lifeline() {
  if (!unfollow) return null;
  return h('span', { class: `lifeline ${app.online}` }, h('i', { 'aria-hidden': 'true' }), t(`online.${app.online}`));
}

function lessonButton() {
  if (!lessonName) return null;
  const panel = document.getElementById('lesson');
  const toggle = () => {
    panel.hidden = !panel.hidden;
    drawTop();
    document.querySelector('.lesson-toggle')?.focus();
  };
  return h('button', { class: 'quiet lesson-toggle', type: 'button', 'aria-expanded': String(!panel.hidden), 'aria-controls': 'lesson', on: { click: toggle } }, t('lesson.panel'));
}

function languageChoice() {
  const options = Object.entries(language.LANGUAGES).map(([code, name]) => h('option', { value: code, lang: code, selected: code === language.language() }, name));
  const chosen = async (event) => {
    await language.choose(event.target.value);
    redraw();
  };
  return h('label', { class: 'choice' }, h('span', { class: 'unseen' }, t('language')), h('select', { data: { name: 'language' }, on: { change: chosen } }, options));
}

function themeChoice() {
  const options = theme.THEMES.map((name) => h('option', { value: name, selected: name === theme.current() }, t(`theme.${name}`)));
  return h('label', { class: 'choice' }, h('span', { class: 'unseen' }, t('theme')), h('select', { data: { name: 'theme' }, on: { change: (event) => theme.choose(event.target.value) } }, options));
}

/** Opens a lesson beside the console; without a name, closes it. */
async function panel(name, step = 0) {
  lessonName = name;
  await lessonPanel(document.getElementById('lesson'), app, name, step);
  document.body.classList.toggle('with-lesson', Boolean(name));
  drawTop();
}

/** The lesson at which this participant stopped, else the one that the trainer points to. */
async function resumeLesson() {
  const place = await server.progress().catch(() => null);
  const name = place?.lesson ?? app.me.workshop?.lesson;
  if (name && place?.lesson && !localStorage.getItem(CLOSED)) await panel(name, place.step);
}

/** All of the page again: another language. */
function redraw() {
  show(false);
  if (lessonName) panel(lessonName, Number(document.getElementById('lesson').dataset.step ?? 0));
}

/** Somebody has joined. */
async function signIn(me) {
  app.me = me;
  app.refusal = null;
  if (me.participant) await findLab();
  go(me.participant ? '' : 'trainer');
  show(true);
}

function keepMe(me) {
  app.me = me;
}

function go(place) {
  location.hash = `#/${place}`;
}

/** Tells those who do not look: a polite live region. */
function said(text) {
  document.getElementById('said').textContent = text;
}
