/**
 * What this browser must not forget of a booking, by show, shared by all its tabs: enough to go on after a reload.
 *
 * @typedef {object} BookingRecord
 * @property {string} request the request_id of the hold, kept from before it is asked for
 * @property {string[]} seats
 * @property {string} [hold] once there is one
 * @property {boolean} [paying] from before a payment is begun until its proof is here
 * @property {string} [payment] once it is paid
 * @property {string} [booking] the ticket code, once booked
 */
import { recall, remember } from "../app/page.js";

const PREFIX = "tickingtickets.booking.";

/** @param {string} show @returns {BookingRecord | null} */
export function readRecord(show) {
  try {
    const record = JSON.parse(recall(PREFIX + show) ?? "null");
    // Anybody may have written there.
    const sound =
      typeof record?.request === "string" &&
      Array.isArray(record.seats) &&
      record.seats.every((/** @type {unknown} */ id) => typeof id === "string");
    return sound ? record : null;
  } catch {
    return null;
  }
}

/** @param {string} show @param {BookingRecord | null} record null forgets it */
export function writeRecord(show, record) {
  remember(PREFIX + show, record && JSON.stringify(record));
}

/** Call `changed` when another tab wrote. @param {string} show @param {() => void} changed @param {AbortSignal} until */
export function onOtherTab(show, changed, until) {
  const heard = (/** @type {StorageEvent} */ event) => {
    if (event.key === PREFIX + show) changed();
  };
  addEventListener("storage", heard, { signal: until });
}
