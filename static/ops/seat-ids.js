/**
 * Seat ids as an operator types them: separated by commas, semicolons or spaces. Pure.
 */

/** @param {string} text @returns {Set<string>} */
export function parseSeatIds(text) {
  return new Set(text.split(/[\s,;]+/).filter(Boolean));
}

/** Add a seat to the text, or remove it. @param {string} text @param {string} id @returns {string} */
export function toggleSeatId(text, id) {
  const ids = parseSeatIds(text);
  if (!ids.delete(id)) ids.add(id);
  return [...ids].join(", ");
}
