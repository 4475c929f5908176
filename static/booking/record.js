/**
 * The record of a booking in the storage of this browser, one for each show, shared by all tabs: enough to continue
 * after a reload.
 *
 * @typedef {object} BookingRecord
 * @property {string} request the request_id of the hold, written before the request is sent
 * @property {string[]} seats
 * @property {Record<string, string>} [names] what is printed of these seats, by id: other pages have no seating plan
 * @property {string} [hold] the id, once there is one
 * @property {Prices} [prices] what the seats cost
 * @property {boolean} [paying] from before a payment is begun until its proof has arrived
 * @property {string} [order] the gateway's order, from before the buyer is sent to pay it
 * @property {boolean} [declined] the gateway said that the last payment was declined
 * @property {string} [payment] the proof of payment, once it is paid
 * @property {string} [booking] its id, once booked
 * @property {string[]} [wanted] the seats that were asked for, if equal ones were booked in their place
 * @property {"expired" | "rejected"} [over] the step in which the booking ended after a payment was begun: money may
 *   still come, and be booked or returned
 * @property {string} [reason] why it ended: an error code, "" for the plain reason of the step
 *
 * @import { Prices } from "../seat-map/types.js"
 */
import { recall, remember } from "../app/page.js";

const PREFIX = "tickingtickets.booking.";

/** @param {string} show @returns {BookingRecord | null} */
export function readRecord(show) {
  try {
    const record = JSON.parse(recall(PREFIX + show) ?? "null");
    // Any script of this origin may have written there.
    const sound =
      typeof record?.request === "string" &&
      Array.isArray(record.seats) &&
      areTexts(record.seats) &&
      areTexts(Object.values(record.names ?? {}));
    return sound ? record : null;
  } catch {
    return null;
  }
}

/** @param {unknown[]} values */
function areTexts(values) {
  return values.every((value) => typeof value === "string");
}

/** @param {string} show @param {BookingRecord | null} record null removes it */
export function writeRecord(show, record) {
  remember(PREFIX + show, record && JSON.stringify(record));
}

/** All records, by show. @returns {[string, BookingRecord][]} */
export function allRecords() {
  let names = /** @type {string[]} */ ([]);
  try {
    names = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
  } catch {
    // Storage is forbidden: there are none beyond this page.
  }
  const found = names.map((name) => name.slice(PREFIX.length)).map((show) => [show, readRecord(show)]);
  return /** @type {[string, BookingRecord][]} */ (found.filter(([, record]) => record !== null));
}

/** Call `changed` when another tab wrote. @param {string} show @param {() => void} changed @param {AbortSignal} until */
export function onOtherTab(show, changed, until) {
  const heard = (/** @type {StorageEvent} */ event) => {
    if (event.key === PREFIX + show) changed();
  };
  addEventListener("storage", heard, { signal: until });
}
