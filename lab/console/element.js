// Elements by script: the strict content security policy leaves no other way, and none is needed.
// Text always goes in as text. The only HTML that is taken is the server's own rendering of a lesson (`prose`).

const SVG = 'http://www.w3.org/2000/svg';

/** An HTML element. `props`: attributes; `on` holds listeners, `vars` CSS custom properties, `data` data attributes. */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** An SVG element. */
export function s(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** HTML of a lesson, which the server has rendered from Markdown with raw HTML switched off. */
export function prose(html, props) {
  const box = h('div', { class: 'prose', ...props });
  box.innerHTML = html;
  for (const link of box.querySelectorAll('a[href]')) link.rel = 'noreferrer noopener';
  for (const table of box.querySelectorAll('table')) wrap(table);
  return box;
}

/** Puts new children in place of the old ones. */
export function put(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return parent;
}

/** A wide table scrolls in a box of its own, which the keyboard can reach. */
export function wrap(table, label) {
  const box = h('div', { class: 'scrolls', tabindex: '0', role: 'region', 'aria-label': label ?? table.caption?.textContent ?? '' });
  if (!box.getAttribute('aria-label')) box.removeAttribute('role');
  table.replaceWith(box);
  box.append(table);
  return box;
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'on') for (const [kind, heard] of Object.entries(value)) element.addEventListener(kind, heard);
    else if (name === 'vars') for (const [key, one] of Object.entries(value)) element.style.setProperty(`--${key}`, one);
    else if (name === 'data') Object.assign(element.dataset, value);
    else if (name === 'value' && 'value' in element && element.tagName !== 'OPTION') element.value = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}
