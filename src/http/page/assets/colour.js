/** A colour for each node, chosen by its id so that it stays the same from day to day. None of them is near the red of gaps. */

/** Ten hues at three lightnesses in OKLCH (0.67/0.125, 0.80/0.095, 0.52/0.10): the first ten nodes get the clearest. */
const TIERS = [
  '5e97e0 bf8a2a 3fac7a af7ecd 00aaba a1992e 8b8adf 73a654 c875ad 00ae98',
  '94c1fa e0b676 85d1a9 d2acea 6bd0db c7c278 b5b6fa a3cc8e e8a6d1 73d2c0',
  '3f6aa1 886116 277a55 7c5792 007984 726c19 6160a1 4f7638 8f517b 007b6b',
].map((tier) => tier.split(' ').map((hex) => `#${hex}`));
const TIER_SIZE = 10;

/** @param {string} id */
function hash(id) {
  let h = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) h = Math.imul(h ^ id.charCodeAt(i), 0x01000193);
  return (h ^ (h >>> 15)) >>> 0;
}

/** Who has what, for as long as the page is open: a newcomer never changes the colour of another. @type {Map<string, string>} */
const colours = new Map();
const taken = new Set();

/**
 * The hash names a hue; an id whose hue is taken gets the next free one, and the next tier once ten are taken. Above
 * thirty nodes colours repeat.
 * @param {Iterable<string>} ids
 * @returns {Map<string, string>} for these ids and all before
 */
export function assignColours(ids) {
  for (const id of [...ids].sort()) {
    if (colours.has(id)) continue;
    if (taken.size === TIER_SIZE * TIERS.length) taken.clear();
    const tier = Math.floor(taken.size / TIER_SIZE);
    let hue = hash(id) % TIER_SIZE;
    while (taken.has(tier * TIER_SIZE + hue)) hue = (hue + 3) % TIER_SIZE;
    taken.add(tier * TIER_SIZE + hue);
    colours.set(id, TIERS[tier]?.[hue] ?? '#888888');
  }
  return colours;
}

/**
 * The text colour that can be read on a fill.
 * @param {string} fill `#rrggbb`
 */
export function inkOn(fill) {
  const n = Number.parseInt(fill.slice(1), 16);
  const light = 0.299 * (n >> 16) + 0.587 * ((n >> 8) & 255) + 0.114 * (n & 255);
  return light > 115 ? '#0b1016' : '#ffffff';
}
