/**
 * The name of a seat as tickets state it, and as staff see it. Pure.
 */

/** @param {{row?: string, number?: string, id?: string}} seat of which a gate without a network knows the id alone */
export function seatName({ row, number, id = "" }) {
  if (!number) return id;
  if (!row) return number;
  // Names of several words, such as "Box 7" and "Chair 1", are not joined.
  return [row, number].some((name) => / [^(]/.test(name)) ? `${row}, ${number}` : `${row}-${number}`;
}

/**
 * What staff see of a seat: its id, which they type, and its printed name unless the id says it, as "Stalls-A-1" does.
 * @param {string} id
 * @param {string} name as tickets state it
 */
export function staffSeatName(id, name) {
  if (id.endsWith(name)) return id;
  return name.endsWith(`(${id})`) ? name : `${name} (${id})`;
}
