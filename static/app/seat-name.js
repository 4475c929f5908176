/**
 * The name of a booked seat as tickets state it. Pure.
 */

/** @param {{row?: string, number?: string, id?: string}} seat of which a gate without a network knows the id alone */
export function seatName({ row, number, id = "" }) {
  if (!number) return id;
  if (!row) return number;
  // Names of several words, such as "Box 7" and "Chair 1", are not joined.
  return [row, number].some((name) => / [^(]/.test(name)) ? `${row}, ${number}` : `${row}-${number}`;
}
