/**
 * The one place where a payment service plugs in (docs/operations.md, "Payments").
 *
 * `pay` gets what is to be paid and resolves with the service's proof, an opaque string that `seats:confirm` hands to
 * the server, which asks the service whether it is true. A real one opens its form here: a pop-up, a card terminal, a
 * redirect that comes back to this page. Asked twice for the same hold it must answer with the same payment.
 *
 * `findPayment` is asked when a page comes back that had begun to pay and never got the proof: it looks whether the
 * service has a payment for this hold, and must never begin one.
 *
 * @typedef {object} Due
 * @property {string} hold
 * @property {number} amount whole rupees, for show; the server knows the price
 */
import { RequestError } from "../seat-map/request-error.js";

const PATIENCE_MS = 15000;

/**
 * The demo service: no money moves.
 * @param {import("../seat-map/seat-map.js").SeatMap} map
 * @param {Due} due
 * @returns {Promise<string>} the proof
 * @throws {RequestError} `offline` when it is not known whether it was paid
 */
export async function pay(map, due) {
  const late = new Promise((_, reject) =>
    setTimeout(() => reject(new RequestError({ code: "offline", message: "", retryable: true })), PATIENCE_MS),
  );
  const { payment } = await Promise.race([map.post("/demo/pay", { hold: due.hold }), late]);
  return payment;
}

/**
 * The demo service keeps no books: what was not answered was not paid.
 * @param {string} _hold
 * @returns {Promise<string | null>} the proof of a payment that was made, null when there is none
 */
export async function findPayment(_hold) {
  return null;
}
