/**
 * Figures by the hour, added up over shows. Pure.
 *
 * @typedef {object} Hour what happened in one hour; `hour` is its beginning (ms), amounts are paise
 * @property {number} hour
 * @property {number} viewers the most at one time; over several shows the sum of their highest numbers
 * @property {number} holds
 * @property {number} conflicts
 * @property {number} orders
 * @property {number} bookings
 * @property {number} seats
 * @property {number} admitted
 * @property {number} revenue
 * @property {number} refunded
 * @property {number | null} pay_ms the mean time from order to booking; null without a booking that was paid
 */

const HOUR_MS = 3_600_000;
/** Hours of Indian clocks begin half an hour into an hour of UTC. */
const OFFSET_MS = 1_800_000;
const NAMES = /** @type {const} */ ([
  "viewers",
  "holds",
  "conflicts",
  "orders",
  "bookings",
  "seats",
  "admitted",
  "revenue",
  "refunded",
]);

/**
 * Every hour of a time, the oldest first; hours without figures are zero. Times to pay are averaged over the bookings.
 * @param {Partial<Hour>[]} rows as `GET /api/v1/ops/analytics` lists them
 * @param {number} since ms @param {number} until ms
 * @returns {Hour[]}
 */
export function everyHour(rows, since, until) {
  const first = Math.ceil((since - OFFSET_MS) / HOUR_MS) * HOUR_MS + OFFSET_MS;
  /** @type {Map<number, Hour>} */
  const hours = new Map();
  /** Sum of the times to pay, and of how many bookings, by hour. @type {Map<number, {ms: number, bookings: number}>} */
  const paid = new Map();
  for (let hour = first; hour < until; hour += HOUR_MS)
    hours.set(
      hour,
      /** @type {Hour} */ ({ hour, ...Object.fromEntries(NAMES.map((name) => [name, 0])), pay_ms: null }),
    );
  for (const row of rows) {
    const one = hours.get(row.hour ?? 0);
    // A region of the previous release leaves out what it does not know.
    if (!one) continue;
    for (const name of NAMES) one[name] += row[name] ?? 0;
    if (typeof row.pay_ms !== "number" || !row.bookings) continue;
    const before = paid.get(one.hour) ?? { ms: 0, bookings: 0 };
    const sum = { ms: before.ms + row.pay_ms * row.bookings, bookings: before.bookings + row.bookings };
    paid.set(one.hour, sum);
    one.pay_ms = sum.ms / sum.bookings;
  }
  return [...hours.values()];
}
