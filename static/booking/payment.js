/**
 * Orders the payment of a hold and takes it, in the way of the installation's payment service (docs/payments.md).
 *
 * `redirect` leaves this page for the gateway's; the gateway comes back to it, see `checkout-return.js`. `razorpay` opens
 * Razorpay's checkout on this page. `external` is a shop's own checkout: the shop's page gives a `ShopPay` to `Flow`.
 * What the gateway gives is a proof, an opaque string that `seats:confirm` sends to the server.
 *
 * @import { Contact } from "./contact.js"
 * @import { Prices } from "../seat-map/types.js"
 * @import { SeatMap } from "../seat-map/seat-map.js"
 *
 * @typedef {object} Order what the gateway is asked to take
 * @property {string} id "" where nothing is to be paid
 * @property {number} amount paise
 * @property {string} currency
 * @property {{kind: "redirect" | "razorpay" | "external" | "free", url?: string, key?: string}} checkout
 *
 * @typedef {(order: Order) => Promise<string>} ShopPay resolves with the proof; rejects if nothing was paid
 */
import { h } from "../app/dom.js";
import { isDurable } from "../app/page.js";
import { GATEWAY_WAIT, RequestError } from "../seat-map/request-error.js";

const RAZORPAY = "https://checkout.razorpay.com/v1/checkout.js";
const FREE_PROOF = "free";

/**
 * @typedef {{order: Order, prices: Prices}} Ordered
 */

/**
 * Order the payment of a hold. The same hold gets the same order again.
 * @param {SeatMap} map
 * @param {string} hold
 * @param {Contact | null} contact goes with the order, because the gateway may report the payment before the page does
 * @returns {Promise<Ordered>}
 * @throws {RequestError}
 */
export function orderPayment(map, hold, contact) {
  const order = { hold, return_url: location.origin + location.pathname, ...(contact ? { contact } : {}) };
  return map.request("seats:order", order, GATEWAY_WAIT);
}

/**
 * Take the payment.
 * @param {Order} order
 * @param {ShopPay | null} shopPay
 * @param {number} [timeoutS] how long the buyer may take, where this page opens the checkout; without it, for as long as it is open
 * @returns {Promise<string | null>} the proof; null if the buyer is at the gateway's page
 * @throws {RequestError} `payment_dismissed` if the buyer closed the checkout, `payment_external` without a `ShopPay`
 */
export async function takePayment(order, shopPay, timeoutS) {
  switch (order.checkout.kind) {
    case "free":
      return FREE_PROOF;
    case "redirect":
      leaveFor(order.checkout.url ?? "");
      return null;
    case "razorpay":
      return openRazorpay(order, timeoutS);
    default:
      if (!shopPay) throw refusal("payment_external");
      return shopPay(order);
  }
}

// Where the browser stores nothing, only this page knows the booking: the gateway's page opens beside it.
/** @param {string} url */
function leaveFor(url) {
  if (isDurable()) location.assign(url);
  else open(url, "_blank", "noopener");
}

/** @param {Order} order @param {number} [timeout] s; then Razorpay closes the checkout @returns {Promise<string>} */
async function openRazorpay(order, timeout) {
  await loadRazorpay();
  const { Razorpay } = /** @type {any} */ (globalThis);
  return new Promise((resolve, reject) => {
    const checkout = new Razorpay({
      key: order.checkout.key,
      order_id: order.id,
      ...(timeout ? { timeout } : {}),
      handler: (/** @type {object} */ answer) => resolve(JSON.stringify(answer)),
      modal: { ondismiss: () => reject(refusal("payment_dismissed")) },
    });
    checkout.open();
  });
}

/** @returns {Promise<void>} */
function loadRazorpay() {
  if ("Razorpay" in globalThis) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const failed = () => reject(new RequestError({ code: "payment_unavailable", message: "", retryable: true }));
    document.head.append(h("script", { src: RAZORPAY, onload: () => resolve(), onerror: failed }));
  });
}

/** @param {string} code */
function refusal(code) {
  return new RequestError({ code, message: "" });
}
