/**
 * Finds seats by what a person types. Pure.
 *
 * @import { Layout } from "./layout.js"
 */

/** The seats by all that people type for them. @param {Layout} layout @returns {Map<string, number[]>} by `plain` text */
export function typedIndex(layout) {
  /** @type {Map<string, number[]>} */
  const found = new Map();
  /** @param {string} key @param {number} seat */
  const put = (key, seat) => {
    const list = found.get(key);
    if (!list) found.set(key, [seat]);
    else if (list[list.length - 1] !== seat) list.push(seat);
  };
  for (const row of layout.rows) {
    if (row.name) put(plain(row.name), row.at(0));
  }
  for (let n = 0; n < layout.count; n++) {
    const { name, label } = layout.rows[layout.row[n]];
    put(plain(name + layout.numbers[n]), n);
    if (label) put(plain(label + layout.numbers[n]), n);
    put(plain(layout.ids[n]), n);
  }
  return found;
}

/** @param {string} text @returns {string} letters and digits only, upper case */
export function plain(text) {
  return text.toUpperCase().replace(/[^\p{L}\p{M}\p{N}]+/gu, "");
}
