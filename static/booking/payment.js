/**
 * The one place where a payment service plugs in.
 *
 * `pay` gets what is to be paid and resolves with the service's proof, an opaque string that `seats:confirm` hands to
 * the server, which asks the service whether it is true. A real one opens its form here (a pop-up, a redirect that
 * comes back to this page) and must answer the same hold with the same payment when it is asked twice: a page that was
 * reloaded before the proof arrived asks again.
 *
 * @typedef {object} Due
 * @property {string} hold
 * @property {number} amount whole rupees, for show; the server knows the price
 */

/**
 * The demo service: no money moves.
 * @param {import("../seat-map/seat-map.js").SeatMap} map
 * @param {Due} due
 * @returns {Promise<string>} the proof
 */
export async function pay(map, due) {
  const { payment } = await map.post("/demo/pay", { hold: due.hold });
  return payment;
}
