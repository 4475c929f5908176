/**
 * Seats as an operator types them, separated by commas, semicolons or line ends: ids, and ranges of a row such as
 * `A-1 .. A-9`. Ids without spaces may be separated by spaces, too. Pure.
 */

/** `name` is what operators see. @typedef {{id: string, name?: string, section?: string, row?: string, category?: string}} Seat */

/**
 * @param {string} text
 * @param {Seat[]} seats of the layout, by index
 * @returns {{chosen: Set<number>, unknown: string[]}} indices, and what is no seat of the layout
 */
export function parseSeats(text, seats) {
  const index = new Map(seats.map((seat, n) => [seat.id, n]));
  /** @type {Set<number>} */
  const chosen = new Set();
  /** @type {string[]} */
  const unknown = [];
  /** @param {string} id */
  const add = (id) => {
    const found = index.get(id);
    if (found === undefined) unknown.push(id);
    else chosen.add(found);
  };
  for (const part of text
    .split(/[,;\n]+/)
    .map((each) => each.trim())
    .filter(Boolean)) {
    const [from, to, more] = part.split(/\s*(?:\.\.+|…|–)\s*/);
    if (to !== undefined && more === undefined) {
      const range = between(seats, index.get(from), index.get(to));
      if (range) for (const n of range) chosen.add(n);
      else unknown.push(part);
    } else if (index.has(part)) add(part);
    else for (const id of part.split(/\s+/)) add(id);
  }
  return { chosen, unknown };
}

/** The seats of a row between two of its seats, in the order of the plan. @param {Seat[]} seats @param {number | undefined} a @param {number | undefined} b @returns {number[] | null} */
function between(seats, a, b) {
  if (a === undefined || b === undefined) return null;
  const [first, last] = [Math.min(a, b), Math.max(a, b)];
  const { section, row } = seats[first];
  if (section !== seats[last].section || row !== seats[last].row) return null;
  const range = [];
  for (let n = first; n <= last; n++) if (seats[n].section === section && seats[n].row === row) range.push(n);
  return range;
}

/** Write chosen seats as text. @param {Iterable<number>} chosen @param {Seat[]} seats */
export function seatsAsText(chosen, seats) {
  return [...chosen].map((n) => seats[n].id).join(", ");
}
