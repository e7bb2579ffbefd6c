// What several views need.

import { has, t } from '../language.js';

/** The short name of a client of the bench. */
export const clientName = (id) => (has(`client.${id}`) ? t(`client.${id}`) : id ?? t('client.unknown'));

/** Runs at most once a frame. */
export function soon(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}
