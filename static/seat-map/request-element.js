/**
 * The part of `<seat-map>` that sends requests to the node of its show. They change no seat on the map: the events that
 * follow do.
 *
 * @import { HoldAck } from "./types.js"
 */
import { GATEWAY_WAIT, RequestError } from "./request-error.js";

export class RequestElement extends HTMLElement {
  constructor() {
    super();
    /** While the connection of a show is about to be made: resolves when it is being made. @type {Promise<void> | null} */
    this._starting = null;
  }

  /** The show, while the element is in a page. @returns {import("./live.js").LiveShow | null} */
  get live() {
    return null;
  }

  /** Send `seats:hold`, with the solution of a challenge if the node asks for one. @param {object} ask */
  async _requestHold(ask) {
    try {
      return await this.request("seats:hold", ask);
    } catch (error) {
      if (!(error instanceof RequestError) || error.code !== "challenge_required") throw error;
      const challenge = /** @type {import("./challenge.js").Challenge} */ (error.details.challenge);
      // Loaded when it is needed: most installations never ask.
      const { solve } = await import("./challenge.js");
      const solution = await solve(challenge);
      if (!solution) throw error;
      return await this.request("seats:hold", { ...ask, challenge: solution });
    }
  }

  /** Resume a hold, and get its events on this connection. @param {string} hold @returns {Promise<HoldAck>} */
  async resume(hold) {
    return this.request("hold:resume", { hold });
  }

  /** @param {string} hold @returns {Promise<HoldAck>} */
  async extend(hold) {
    return this.request("seats:extend", { hold });
  }

  /** @param {string} hold @param {string[]} [seats] default: all of the hold's */
  async release(hold, seats) {
    return this.request("seats:release", { hold, ...(seats ? { seats } : {}) });
  }

  /**
   * Book the seats of a hold that is paid.
   * @param {string} hold
   * @param {string} payment the proof of payment
   * @param {string[]} [seats] book exactly these, whatever else the hold contains
   * @param {object | null} [contact] how the buyer can be reached (docs/protocol.md)
   * @returns {Promise<{ok: true, booking: import("./types.js").Booking, refund?: import("./types.js").Refund}>}
   */
  async confirm(hold, payment, seats, contact) {
    const more = { ...(seats ? { seats } : {}), ...(contact ? { contact } : {}) };
    return this.request("seats:confirm", { hold, payment, ...more }, GATEWAY_WAIT);
  }

  /**
   * Send any event of the protocol, as soon as the connection that is being made is there.
   * @param {string} event
   * @param {object} payload
   * @param {{timeoutMs?: number, ackMs?: number}} [wait] how long to try in all, and how long to wait for one answer
   * @returns {Promise<any>}
   * @throws {RequestError}
   */
  async request(event, payload, wait) {
    return (await this._connection()).request(event, payload, wait);
  }

  /** POST JSON to the node of this page's connection. @param {string} path @param {object} body @returns {Promise<any>} */
  async post(path, body) {
    return (await this._connection()).http(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  // A page that has just named the show may ask at once.
  async _connection() {
    await this._starting;
    if (!this.live) throw new RequestError({ code: "offline", message: "", retryable: true });
    return this.live.connection;
  }
}
