/**
 * How large seats are drawn: from the distance to the nearest other seat in any direction, so that no seat reaches into
 * another; and which seats lie on others. Pure.
 *
 * @import { Layout } from "./layout.js"
 * @import { Row } from "./rows.js"
 */

/** The share of the distance to its neighbour that a seat fills. */
export const SEAT_SHARE = 0.86;
/** Seats nearer to each other than this share of the usual distance lie on each other (`realtime/plans/report.py`). */
const LYING_SHARE = 0.5;
/** Sizes are stored in parts of the usual size. */
export const FULL = 16;
/** Of the gap between two seats that are closer than usual, the share that a seat may fill. */
const CLOSE_SHARE = 0.94;
const MOST = 3;
/** Sizes of a row that differ more than this stay different: there a single seat is close to another. */
const EVEN_SHARE = 0.6;
const SEATS_PER_STEP = 512;

/** The usual distance is computed from about this many distances. */
const MANY = 1024;

/**
 * The usual distance of neighbours: the 30th percentile of the distances from a seat to the nearest of its row. Rows are
 * sorted, so aisles don't count, and neither do a few seats that are very close.
 * @param {Layout} layout
 */
export function usualDistance({ rows, x, y, size, count }) {
  // In a large hall only every n-th seat: an odd step reaches every place of rows of equal length.
  const step = count > MANY ? Math.floor(count / MANY) | 1 : 1;
  const found = new Float64Array(count);
  let all = 0;
  let next = 0;
  for (const row of rows) {
    const [along, across] = row.wide ? [x, y] : [y, x];
    let n = next;
    for (; n < row.count; n += step) {
      const far = Math.min(nearestInRow(row, n, -1, along, across), nearestInRow(row, n, 1, along, across));
      if (far < Infinity) found[all++] = far;
    }
    next = n - row.count;
  }
  if (!all) return Math.max(size.width, size.height, 1) / 40;
  return found.subarray(0, all).sort()[Math.floor((all * 3) / 10)];
}

/** How many seats of its row are looked at on each side of a seat: a bound, for rows whose seats are all at one place. */
const LOOK = 9;

/**
 * The distance from a seat to the nearest of its row on one side of it; Infinity where there is none.
 * @param {Row} row
 * @param {number} n
 * @param {-1 | 1} step
 * @param {Float32Array} along places on the axis along which the row is sorted
 * @param {Float32Array} across places on the other
 */
function nearestInRow(row, n, step, along, across) {
  const a0 = along[row.at(n)];
  const b0 = across[row.at(n)];
  let least = Infinity;
  for (let k = n + step, looked = 0; k >= 0 && k < row.count && looked < LOOK; k += step, looked++) {
    const da = Math.abs(along[row.at(k)] - a0);
    if (da >= least) break;
    const db = across[row.at(k)] - b0;
    const far = Math.sqrt(da * da + db * db);
    if (far > 0 && far < least) least = far;
  }
  return least;
}

/**
 * @typedef {object} Spacing
 * @property {Uint8Array} sizes of each seat, in parts of `FULL`
 * @property {number} largest of them
 * @property {Map<number, number[]>} lying the seats that lie on each other: for each the others, in the order of painting
 */

/**
 * @param {Layout} layout with `pitch` and rows
 * @returns {Generator<void, Spacing>} in steps of a part of a millisecond
 */
export function* measureSpacing(layout) {
  const { count, x, y, pitch } = layout;
  const sizes = new Uint8Array(count).fill(FULL);
  wish(layout, sizes);
  /** @type {Map<number, number[]>} */
  const lying = new Map();
  /** @param {number} a @param {number} b */
  const lie = (a, b) => {
    const others = lying.get(a);
    if (!others) lying.set(a, [b]);
    else if (!others.includes(b)) others.push(b);
  };
  const reach = pitch * Math.max(1, (SEAT_SHARE * largestOf(sizes)) / FULL);
  yield* eachPair(layout, reach, (a, b) => {
    const dx = Math.abs(x[a] - x[b]);
    const dy = Math.abs(y[a] - y[b]);
    const far = Math.max(dx, dy);
    if (Math.sqrt(dx * dx + dy * dy) < pitch * LYING_SHARE) {
      lie(a, b);
      lie(b, a);
      return;
    }
    const most = Math.max(1, Math.floor(((far * CLOSE_SHARE) / (pitch * SEAT_SHARE)) * FULL));
    if (sizes[a] > most && sizes[a] + sizes[b] > 2 * most) sizes[a] = most;
    if (sizes[b] > most && sizes[a] + sizes[b] > 2 * most) sizes[b] = most;
  });
  for (const others of lying.values()) others.sort((a, b) => a - b);
  for (const { runs, radius } of layout.rows) if (radius.length < 2) even(runs, sizes);
  return { sizes, lying, largest: largestOf(sizes) };
}

/** @param {Uint8Array} sizes */
function largestOf(sizes) {
  let largest = FULL;
  for (const size of sizes) if (size > largest) largest = size;
  return largest;
}

/** Give the seats of a row one size, where they differ a little: its ends have fewer neighbours. @param {number[]} runs @param {Uint8Array} sizes */
function even(runs, sizes) {
  let [least, most] = [Infinity, 0];
  for (let run = 0; run < runs.length; run += 2) {
    for (let seat = runs[run]; seat < runs[run + 1]; seat++) {
      if (sizes[seat] < least) least = sizes[seat];
      if (sizes[seat] > most) most = sizes[seat];
    }
  }
  if (least === most || least < most * EVEN_SHARE) return;
  for (let run = 0; run < runs.length; run += 2) sizes.fill(least, runs[run], runs[run + 1]);
}

/** Fill in the sizes that the plan's radii ask for. @param {Layout} layout @param {Uint8Array} sizes */
function wish({ rows, pitch }, sizes) {
  for (const { runs, seats, radius } of rows.filter((row) => row.radius.length)) {
    for (const seat of seats) {
      const wanted = radius.length === 1 ? radius[0] : radius[seat - runs[0]];
      const part = (2 * (wanted || 0)) / (pitch * SEAT_SHARE);
      if (part > 0) sizes[seat] = Math.max(FULL / 2, Math.min(MOST * FULL, Math.round(part * FULL)));
    }
  }
}

/** Call `visit` with each pair of seats nearer than `reach` along both axes. @param {Layout} layout @param {number} reach @param {(a: number, b: number) => void} visit */
function* eachPair(layout, reach, visit) {
  const { count, x, y } = layout;
  const { left, top, right, bottom } = layout.seatBounds;
  if (!count || !(reach > 0)) return;
  // Squares of the reach's side; in a very sparse plan larger ones, so that there are not many more than seats.
  const cell = Math.max(reach, Math.sqrt(((right - left) * (bottom - top)) / (4 * count + 64)));
  const columns = Math.floor((right - left) / cell) + 1;
  const lines = Math.floor((bottom - top) / cell) + 1;
  const head = new Int32Array(columns * lines).fill(-1);
  const next = new Int32Array(count);
  for (let n = 0; n < count; n++) {
    if (n % SEATS_PER_STEP === 0) yield;
    const column = Math.floor((x[n] - left) / cell);
    const line = Math.floor((y[n] - top) / cell);
    for (let l = Math.max(0, line - 1); l <= Math.min(lines - 1, line + 1); l++) {
      for (let c = Math.max(0, column - 1); c <= Math.min(columns - 1, column + 1); c++) {
        // A bound, for plans in which everything is at one place.
        let steps = 0;
        for (let m = head[l * columns + c]; m >= 0 && steps < 64; m = next[m], steps++) {
          if (Math.abs(x[m] - x[n]) < reach && Math.abs(y[m] - y[n]) < reach) visit(m, n);
        }
      }
    }
    next[n] = head[line * columns + column];
    head[line * columns + column] = n;
  }
}
