/**
 * Bookings that were left unfinished: holds to release, payments to book. They are kept through reloads and lost
 * connections until the server has handled them.
 *
 * A paid leftover is never dropped. One whose payment was begun and not proved is released: should the money come after
 * all, the server returns it. Draws nothing.
 *
 * @import { BookingRecord } from "./record.js"
 */
import { recallList, remember } from "../app/page.js";
import { ownerToken } from "./owner.js";

const KEY = "tickingtickets.leftovers";
const MAX_KEPT = 20;
const TIMEOUT_MS = 8000;

/** @typedef {BookingRecord & {show: string, owner: string}} Leftover `owner` is the identity token of the booking */

/** @returns {Leftover[]} */
function read() {
  return recallList(KEY);
}

/** @param {Leftover[]} all */
function write(all) {
  remember(KEY, all.length ? JSON.stringify(all) : null);
}

/** Keep an unfinished booking until the server has handled it. @param {string} show @param {BookingRecord} record */
export function keepLeftover(show, record) {
  if (record.booking || record.over) return;
  const all = [...read(), { ...record, show, owner: ownerToken() }];
  // A hold expires by itself, so the oldest unpaid leftover can be dropped; a paid one can't.
  while (all.length > MAX_KEPT && all.some((each) => !each.payment))
    all.splice(
      all.findIndex((each) => !each.payment),
      1,
    );
  write(all);
}

/** How many leftovers wait for the server. */
export function leftovers() {
  return read().length;
}

/** @type {Promise<void> | null} */
let settling = null;

/** Send the leftovers to the server; those that it could not handle now wait for the next call. @param {string} server origin of a node */
export function settleLeftovers(server) {
  settling ??= settleAll(server).finally(() => (settling = null));
  return settling;
}

/** @param {string} server */
async function settleAll(server) {
  for (const each of read()) {
    if (!(await settled(server, each))) return;
    write(read().filter((other) => other.request !== each.request));
  }
}

/** @param {string} server @param {Leftover} left @returns {Promise<boolean>} whether the server has handled it */
async function settled(server, left) {
  const ask = asker(server, left.owner);
  try {
    const { payment } = left;
    const hold = left.hold ?? (await heldBy(ask, left));
    if (!hold) return true;
    const path = `/api/v1/holds/${encodeURIComponent(hold)}`;
    const answer = payment
      ? await ask(`${path}/confirm`, "POST", { payment, seats: left.seats })
      : await ask(path, "DELETE");
    return final(answer.status);
  } catch {
    return false;
  }
}

// The answer was lost: the same request_id finds the hold, or creates one that is released at once.
/** @param {Ask} ask @param {Leftover} left @returns {Promise<string>} "" if there is none */
async function heldBy(ask, { show, seats, request }) {
  const answer = await ask(`/api/v1/shows/${encodeURIComponent(show)}/holds`, "POST", {
    seats,
    request_id: request,
  });
  if (!final(answer.status)) throw new Error(`HTTP ${answer.status}`);
  return answer.ok ? (await answer.json()).hold.id : "";
}

/** @typedef {(path: string, method: string, body?: object) => Promise<Response>} Ask */

/** @param {string} server @param {string} owner @returns {Ask} */
function asker(server, owner) {
  return (path, method, body) =>
    fetch(server + path, {
      method,
      headers: { Authorization: `Bearer ${owner}`, ...(body ? { "Content-Type": "application/json" } : {}) },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
}

/** @param {number} code whether this answer is final */
function final(code) {
  return code < 500 && code !== 429 && code !== 202;
}
