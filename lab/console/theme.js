// Light, dark, or as the machine says.

export const THEMES = ['auto', 'light', 'dark'];

export function start() {
  set(current());
}

export const current = () => (THEMES.includes(localStorage.getItem(KEPT)) ? localStorage.getItem(KEPT) : 'auto');

export function choose(name) {
  localStorage.setItem(KEPT, name);
  set(name);
}

function set(name) {
  if (name === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

const KEPT = 'mitmlab.theme';
