// The event stream of the lab (server-sent events, WHATWG HTML section 9.2). The browser resumes it by itself after a dropped
// connection, with the number of the last event; only where the server says no does this module try again on its own.

import * as server from './server.js';

/**
 * Follows the events after a number. `took` gets each event; `state` hears `live`, `waiting`; `ended` is called when the lab is gone.
 * Gives the way to stop.
 */
export function follow(after, { took, state, ended }) {
  let [last, stopped, timer, patience] = [after, false, null, FIRST_WAIT];
  let source = null;
  const heard = (message) => {
    if (message.lastEventId) last = Number(message.lastEventId);
    took(JSON.parse(message.data), message.type);
  };
  const open = () => {
    source = new EventSource(server.eventsAfter(last));
    source.onopen = () => {
      patience = FIRST_WAIT;
      state('live');
    };
    source.onerror = () => {
      state('waiting');
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(again, patience);
    };
    for (const kind of KINDS) source.addEventListener(kind, heard);
  };
  const again = async () => {
    if (stopped) return;
    patience = Math.min(patience * 2, LONGEST_WAIT);
    const lab = await server.lab().catch(() => null);
    if (lab && lab.state !== 'up' && lab.state !== 'starting') return ended(lab);
    open();
  };
  open();
  return () => {
    stopped = true;
    clearTimeout(timer);
    source.close();
  };
}

const KINDS = [
  'run:end', 'phase:enter', 'notice:sent', 'leg:start', 'leg:end', 'connection:open', 'hello:seen', 'box:decision',
  'chain:presented', 'handshake:done', 'alert', 'request', 'half:end', 'connection:end', 'gap',
];
const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;
