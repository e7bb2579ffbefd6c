// Where things stand in the picture: numbers only. Side by side where there is room, one above the other on a phone.

/** Places for the nodes that `state` names, and the way of a link between two of them. */
export function layout(width, state) {
  return width < NARROW ? upright(Math.max(width, 300), state) : level(width, state);
}

function level(width, state) {
  const rows = Math.max(state.clients.length, state.hosts.length, 4);
  const [top, gap, high] = [52, 50, 34];
  const height = top + rows * gap + 8;
  const wide = Math.min(190, Math.max(120, width * 0.2));
  const left = 14;
  const right = width - wide - 14;
  const middle = width * 0.5;
  const box = { x: middle - 30, y: top - 6, w: 60, h: height - top - 4 };
  const down = (list, n) => top + ((rows - list.length) * gap) / 2 + n * gap + (gap - high) / 2;
  const clients = state.clients.map((name, n) => ({ name, x: left, y: down(state.clients, n), w: wide, h: high, quiet: !called(state, 'client', name) }));
  const hosts = state.hosts.map((name, n) => ({ name, x: right, y: down(state.hosts, n), w: wide, h: high, quiet: !called(state, 'host', name) }));
  const centre = (node) => node.y + node.h / 2;
  const way = (link) => {
    const [from, to] = [clients.find((node) => node.name === link.client), hosts.find((node) => node.name === link.host)];
    if (!from || !to) return null;
    const [x1, y1, x2, y2] = [from.x + from.w, centre(from), to.x, centre(to)];
    const [in1, out1] = [box.x, box.x + box.w];
    const at = y1 + (y2 - y1) * 0.5;
    const clamp = Math.min(Math.max(at, box.y + 16), box.y + box.h - 16);
    const curve = (ax, ay, bx, by) => `M${ax} ${ay}C${ax + (bx - ax) * 0.5} ${ay} ${bx - (bx - ax) * 0.5} ${by} ${bx} ${by}`;
    const first = curve(x1, y1, in1, clamp);
    const second = curve(out1, clamp, x2, y2);
    return { first, second, whole: `${first}L${out1} ${clamp}${second.replace(/^M[^C]+/, '')}`, atBox: { x: in1 - 18, y: clamp, beside: true }, atHost: { x: x2 - 18, y: y2, beside: true } };
  };
  const zone = (name, x, w) => ({ name, x, y: 0, w, h: height, tx: x + w / 2, ty: 24 });
  const zones = [zone('inside', 0, middle - 60), zone('box', middle - 60, 120), zone('outside', middle + 60, width - middle - 60)];
  return { width, height, box, clients, hosts, way, zones, border: `M${middle} 34V${height}` };
}

function upright(width, state) {
  const [clientNames, hostNames] = [lastUsed(state.clients), lastUsed(state.hosts)];
  const columns = 2;
  const [high, gap, edge] = [34, 10, 10];
  const wide = (width - edge * 2 - gap) / columns;
  const bankHigh = 2 * high + gap;
  const [top, boxTop] = [36, 36 + bankHigh + 62];
  const box = { x: edge, y: boxTop, w: width - edge * 2, h: 44 };
  const lower = boxTop + 44 + 62;
  const height = lower + bankHigh + 36;
  const bank = (names, y, kind) => names.map((name, n) => ({ name, x: edge + (n % columns) * (wide + gap), y: y + Math.floor(n / columns) * (high + gap), w: wide, h: high, quiet: !called(state, kind, name) }));
  const clients = bank(clientNames, top, 'client');
  const hosts = bank(hostNames, lower, 'host');
  const way = (link) => {
    const [a, b] = [clients.find((node) => node.name === link.client), hosts.find((node) => node.name === link.host)];
    if (!a || !b) return null;
    const [from, to] = [clientNames.indexOf(link.client), hostNames.indexOf(link.host)];
    const x1 = a.x + a.w * (0.3 + 0.1 * from);
    const x2 = b.x + b.w * (0.3 + 0.1 * to);
    const [y1, y2] = [a.y + a.h, b.y];
    const x = (x1 + x2) / 2;
    const curve = (ax, ay, bx, by) => `M${ax} ${ay}C${ax} ${ay + (by - ay) * 0.5} ${bx} ${by - (by - ay) * 0.5} ${bx} ${by}`;
    const [first, second] = [curve(x1, y1, x, box.y), curve(x, box.y + box.h, x2, y2)];
    return { first, second, whole: `${first}L${x} ${box.y + box.h}${second.replace(/^M[^C]+/, '')}`, atBox: { x, y: box.y - 16 }, atHost: { x: x2, y: lower - 16 } };
  };
  const zone = (name, y, h, ty) => ({ name, x: 0, y, w: width, h, tx: width / 2, ty });
  const zones = [zone('inside', 0, boxTop - 24, 22), zone('box', boxTop - 24, 92, -20), zone('outside', boxTop + 68, height - boxTop - 68, height - 14)];
  return { width, height, box, clients, hosts, way, zones, border: `M0 ${boxTop + 22}H${width}` };
}

/** The four that were used last, in their places. */
function lastUsed(names) {
  const order = [...(names.order?.keys() ?? [])].reverse();
  const recent = [...order, ...names].filter((name, n, all) => names.includes(name) && all.indexOf(name) === n).slice(0, 4);
  return names.filter((name) => recent.includes(name));
}

const called = (state, kind, name) => [...state.links.values()].some((link) => link[kind] === name);

const NARROW = 620;
