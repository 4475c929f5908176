/**
 * The place where a payment service is integrated (docs/operations.md, "Payments").
 *
 * `pay` takes the payment and resolves with the service's proof of it, an opaque string. `seats:confirm` sends the
 * proof to the server, which verifies it with the service. A real service opens its form here: a pop-up, a card
 * terminal, or a redirect that returns to this page. A second call for the same hold must return the same payment.
 *
 * `findPayment` is called after a page has begun a payment and lost the result: it asks the service for a payment of
 * this hold, and must never begin one.
 *
 * @typedef {object} Due
 * @property {string} hold
 * @property {number} amount whole rupees, for show; the server knows the price
 */
import { RequestError } from "../seat-map/request-error.js";

const TIMEOUT_MS = 15000;

/**
 * The demo service: nobody is charged.
 * @param {import("../seat-map/seat-map.js").SeatMap} map
 * @param {Due} due
 * @returns {Promise<string>} the proof
 * @throws {RequestError} `offline` if it is not known whether the payment was made
 */
export async function pay(map, due) {
  const late = new Promise((_, reject) =>
    setTimeout(() => reject(new RequestError({ code: "offline", message: "", retryable: true })), TIMEOUT_MS),
  );
  const { payment } = await Promise.race([map.post("/demo/pay", { hold: due.hold }), late]);
  return payment;
}

/**
 * The demo service keeps no record of payments: a payment without an answer was not made.
 * @param {string} _hold
 * @returns {Promise<string | null>} the proof of the payment, null if there is none
 */
export async function findPayment(_hold) {
  return null;
}
