/**
 * Where the names of rows are written: beyond the ends of a row, where no seat and no other name is. A name for which
 * there is no room is left out; the seats' tips have it. Pure.
 *
 * @import { Layout } from "./layout.js"
 * @import { Row } from "./rows.js"
 */

/** A letter of a name is this wide, and a name this tall, in seats. */
const LETTER = 0.26;
const TALL = 0.42;
/** The room between a seat and the name of its row, in seats. */
const GAP = 0.22;
/** Longer names are not written on the map. */
const LONGEST = 18;
/** So many names before a name are looked at: others are not near it. */
const NEAR = 64;

/** How far the names of rows reach beyond the seats, in seats; at least one. @param {Row[]} rows */
export function namesReach(rows) {
  const longest = rows.reduce((most, row) => Math.max(most, textOf(row).length), 0);
  return Math.max(1, 0.5 + GAP + longest * LETTER);
}

/** What is written of a row, "" for nothing. @param {Row} row */
function textOf({ label, name, names }) {
  const text = label || name;
  return text.length > LONGEST || names === "none" ? "" : text;
}

/** @typedef {{row: number, text: string, x: number, y: number}} RowName `x` and `y` are units of the plan */

/** @param {Layout} layout @returns {Generator<void, RowName[]>} in one step for each row */
export function* nameRows(layout) {
  /** @type {RowName[]} */
  const names = [];
  for (let n = 0; n < layout.rows.length; n++) {
    yield;
    names.push(...rowNames(layout, n, names.slice(-NEAR)));
  }
  return names;
}

/**
 * @param {Layout} layout
 * @param {number} n index of the row
 * @param {RowName[]} written names around, which must not be covered
 * @returns {RowName[]}
 */
function rowNames(layout, n, written) {
  const row = layout.rows[n];
  const text = textOf(row);
  if (!text || !row.seats.length) return [];
  /** @type {RowName[]} */
  const names = [];
  for (const end of ends(row)) {
    const place = spots(layout, end, text.length).find(
      (spot) => isFree(layout, spot, text.length) && isApart(layout, spot, text.length, [...written, ...names]),
    );
    if (place) names.push({ row: n, text, ...place });
  }
  if (!names.length && row.seats.length > 2) {
    // A table: its middle.
    const middle = { x: mean(row.seats, layout.x), y: mean(row.seats, layout.y) };
    if (isFree(layout, middle, text.length)) names.push({ row: n, text, ...middle });
  }
  return names;
}

/** The ends at which a row is named, as the seats there and the ones next to them. @param {Row} row */
function ends({ seats, names }) {
  const last = seats.length - 1;
  const both = [
    { seat: seats[0], next: seats[1], side: -1 },
    { seat: seats[last], next: seats[last - 1], side: 1 },
  ];
  if (names === "both") return both;
  // The start is where the plan's first seat of the row is.
  const first = seats[0] <= seats[last] ? 0 : 1;
  return [both[names === "start" ? first : 1 - first]];
}

/** @param {Layout} layout @param {{seat: number, next: number | undefined, side: number}} end @param {number} length */
function spots(layout, { seat, next, side }, length) {
  const { x, y, pitch } = layout;
  let [dx, dy] = next === undefined ? [side, 0] : [x[seat] - x[next], y[seat] - y[next]];
  const far = Math.hypot(dx, dy) || 1;
  [dx, dy] = [dx / far, dy / far];
  const half = (length * LETTER) / 2;
  const edge = layout.side(seat) / 2 / pitch + GAP;
  // Along the row, a long name needs more room where the row runs across the screen.
  const along = edge + Math.abs(dx) * half + Math.abs(dy) * (TALL / 2);
  const beside = edge + half;
  const above = edge + TALL / 2;
  return [
    { x: x[seat] + dx * along * pitch, y: y[seat] + dy * along * pitch },
    { x: x[seat] + side * beside * pitch, y: y[seat] },
    { x: x[seat] - side * beside * pitch, y: y[seat] },
    { x: x[seat], y: y[seat] + side * above * pitch },
    { x: x[seat], y: y[seat] - side * above * pitch },
  ];
}

/** Whether a name at a place covers no seat. @param {Layout} layout @param {{x: number, y: number}} at @param {number} length */
function isFree(layout, at, length) {
  const { x, y, pitch, spatial } = layout;
  const half = (length * LETTER * pitch) / 2;
  const tall = (TALL * pitch) / 2;
  let free = true;
  const most = layout.largestSide / 2;
  const box = {
    left: at.x - half - most,
    right: at.x + half + most,
    top: at.y - tall - most,
    bottom: at.y + tall + most,
  };
  spatial.each(box, (seat) => {
    const side = layout.side(seat) / 2;
    if (Math.abs(x[seat] - at.x) < half + side && Math.abs(y[seat] - at.y) < tall + side) free = false;
  });
  return free;
}

/** Whether a name at a place covers no other name. @param {Layout} layout @param {{x: number, y: number}} at @param {number} length @param {RowName[]} others */
function isApart({ pitch }, at, length, others) {
  return others.every(
    (other) =>
      Math.abs(other.x - at.x) > ((length + other.text.length) / 2) * LETTER * pitch ||
      Math.abs(other.y - at.y) > TALL * pitch,
  );
}

/** @param {number[]} seats @param {Float32Array} values */
function mean(seats, values) {
  return seats.reduce((sum, seat) => sum + values[seat], 0) / seats.length;
}
