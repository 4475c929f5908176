/**
 * The server's time on this device, right even where the device's clock is not.
 *
 * It runs on the steady clock of the page from the last `server_time` that an ack brought. The steady clock may stand
 * still while a device sleeps, so whoever shows a countdown asks the server again when the page comes back.
 */
const LONG_MS = 1000;

export class ServerClock {
  constructor() {
    this._ahead = Date.now() - performance.now();
  }

  /** @param {number} serverTime ms since the epoch, as an ack brought it @param {number} askedAt `performance.now()` when it was asked */
  set(serverTime, askedAt) {
    // Between asking and answering the server looked at its clock; the middle is off by half a round trip at most. What
    // took longer waited for a connection first: the answer itself is as fresh as any.
    const now = performance.now();
    this._ahead = serverTime - (Math.max(askedAt, now - LONG_MS) + now) / 2;
  }

  /** ms since the epoch, by the server. */
  now() {
    return performance.now() + this._ahead;
  }
}
