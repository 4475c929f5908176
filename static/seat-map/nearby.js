/**
 * Seats near a place: the nearest free ones, the neighbour in a direction (for the arrow keys), and the seat at a
 * point. Pure.
 *
 * @import { Layout } from "./layout.js"
 */

/** Neighbours in a row are nearer than this many usual distances. */
const BESIDE = 1.9;

/**
 * The free seats nearest to `seat`, best first. Seats of the same row and category count as nearer.
 * @param {Layout} layout
 * @param {number} seat
 * @param {(seat: number) => boolean} free
 * @param {number} limit
 */
export function nearestFree(layout, seat, free, limit) {
  /** @type {{seat: number, far: number}[]} */
  const best = [];
  for (let n = 0; n < layout.count; n++) {
    if (n === seat || !free(n)) continue;
    let far = Math.hypot(layout.x[n] - layout.x[seat], layout.y[n] - layout.y[seat]);
    if (layout.row[n] !== layout.row[seat]) far *= 1.3;
    if (layout.category[n] !== layout.category[seat]) far *= 3;
    if (best.length === limit && far >= best[limit - 1].far) continue;
    best.push({ seat: n, far });
    best.sort((a, b) => a.far - b.far);
    best.length = Math.min(best.length, limit);
  }
  return best.map((each) => each.seat);
}

/** The seats on both sides of one in its row, without those across an aisle. @param {Layout} layout @param {number} seat @returns {number[]} */
export function besideInRow(layout, seat) {
  const row = layout.rows[layout.row[seat]];
  const { seats } = row;
  const place = row.placeOf(seat);
  return [seats[place - 1], seats[place + 1]].filter(
    (other) =>
      other !== undefined &&
      Math.hypot(layout.x[other] - layout.x[seat], layout.y[other] - layout.y[seat]) < layout.pitch * BESIDE,
  );
}

/**
 * The seat that an arrow key leads to: along the row if the row runs in that direction, else in the next row.
 * @param {Layout} layout
 * @param {number} seat
 * @param {number} dx -1, 0 or 1
 * @param {number} dy
 */
export function neighbour(layout, seat, dx, dy) {
  const row = layout.rows[layout.row[seat]];
  const { seats } = row;
  const place = row.placeOf(seat);
  const [before, after] = [seats[Math.max(0, place - 1)], seats[Math.min(seats.length - 1, place + 1)]];
  const [tx, ty] = [layout.x[after] - layout.x[before], layout.y[after] - layout.y[before]];
  const along = (tx * dx + ty * dy) / (Math.hypot(tx, ty) || 1);
  if (Math.abs(along) > 0.7) {
    const next = seats[place + (along > 0 ? 1 : -1)];
    if (next !== undefined) return next;
  }
  let best = seat;
  let least = Infinity;
  for (let n = 0; n < layout.count; n++) {
    if (layout.row[n] === layout.row[seat]) continue;
    const [ox, oy] = [layout.x[n] - layout.x[seat], layout.y[n] - layout.y[seat]];
    const ahead = ox * dx + oy * dy;
    const aside = Math.abs(ox * dy - oy * dx);
    if (ahead < layout.pitch * 0.3 || aside > ahead * 4 + layout.pitch * 2) continue;
    const far = ahead + aside * 1.6;
    if (far < least) [best, least] = [n, far];
  }
  return best;
}

/**
 * The seat at a point of the plan, or -1: the one that is painted on top there, else the nearest.
 * @param {Layout} layout
 * @param {number} x
 * @param {number} y
 * @param {number} within units of the plan
 */
export function seatAt(layout, x, y, within) {
  let best = -1;
  let least = within;
  let top = -1;
  layout.spatial.each({ left: x - within, right: x + within, top: y - within, bottom: y + within }, (n) => {
    const [dx, dy] = [Math.abs(layout.x[n] - x), Math.abs(layout.y[n] - y)];
    const half = layout.side(n) / 2;
    if (n > top && dx <= half && dy <= half) top = n;
    const far = Math.hypot(dx, dy);
    if (far < least || (far === least && n > best)) [best, least] = [n, far];
  });
  return top < 0 ? best : top;
}
