/** Making and changing elements. Data goes in as text nodes and attribute values only, so that a name is never markup. */

/** @typedef {Node | string | number | null | undefined} Child */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | undefined> | null} attributes `true` sets an empty attribute, `false` and `undefined` none
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === false) continue;
    node.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children) {
    if (child !== null && child !== undefined) node.append(typeof child === 'number' ? String(child) : child);
  }
  return node;
}

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const node = document.getElementById(id);
  if (node === null) throw new Error(`page.html has no element '${id}'`);
  return node;
}

/**
 * Touches the document only when the text differs, so that a selection survives and live regions stay silent.
 * @param {Element} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * A square in a node's colour.
 * @param {string} colour
 */
export function swatch(colour) {
  const node = el('span', { class: 'swatch', 'aria-hidden': 'true' });
  node.style.backgroundColor = colour;
  return node;
}

/**
 * A button that shows a range in the bands; page.js listens for its click.
 * @param {number} start
 * @param {number} end
 * @param {...Child} children
 */
export function rangeButton(start, end, ...children) {
  return el(
    'button',
    { type: 'button', class: 'range', 'data-start': start, 'data-end': end, title: 'Show in the key space' },
    ...children,
  );
}

const SVG = 'http://www.w3.org/2000/svg';

/**
 * A 16-pixel line icon; its meaning is said in text beside it.
 * @param {string} path
 */
export function icon(path) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const line = document.createElementNS(SVG, 'path');
  line.setAttribute('d', path);
  svg.append(line);
  return svg;
}
