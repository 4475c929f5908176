/**
 * The payments that were begun in this browser and have not ended on a page: which of them were returned, and which
 * booked seats after all. They are kept through reloads, and asked for until their end is known. Draws nothing.
 *
 * @import { Refund } from "../seat-map/types.js"
 * @import { Ticket } from "./ticket.js"
 */
import { recallList, remember } from "../app/page.js";
import { fetchAsOwner } from "./owner.js";
import { bookingOf } from "./steps.js";
import { keepTicket } from "./tickets.js";

const KEY = "tickingtickets.payments";
const MAX_KEPT = 20;
/** A gateway may report a payment this long after it was begun. */
const ASKED_MS = 4 * 24 * 3600 * 1000;
const SHOWN_MS = 30 * 24 * 3600 * 1000;

/**
 * @typedef {object} Begun a payment that was begun
 * @property {string} hold
 * @property {Omit<Ticket, "id">} what it is for
 * @property {number} at ms since the epoch, by the clock of the device
 * @property {boolean} [booked]
 * @property {Refund[]} refunds
 */

/** Newest first. @returns {Begun[]} */
export function begunPayments() {
  return recallList(KEY, (each) => typeof each?.hold === "string" && Array.isArray(each.refunds));
}

/** @param {string} hold @param {Omit<Ticket, "id">} what */
export function keepBegun(hold, what) {
  const others = begunPayments().filter((each) => each.hold !== hold && Date.now() - each.at < SHOWN_MS);
  write([{ hold, what, at: Date.now(), refunds: refundsOf(hold) }, ...others].slice(0, MAX_KEPT));
}

/** @param {string} hold @returns {Refund[]} */
export function refundsOf(hold) {
  return begunPayments().find((each) => each.hold === hold)?.refunds ?? [];
}

/** Note how far a refund is. @param {string} hold @param {Refund} refund */
export function noteRefund(hold, refund) {
  change(hold, (begun) => ({ ...begun, refunds: withRefund(begun.refunds, refund) }));
}

/**
 * A list of refunds with another one, or with a newer state of one of them. Money that was returned stays returned: the
 * answer to an earlier question may come after the news.
 * @param {Refund[]} refunds @param {Refund} refund
 */
export function withRefund(refunds, refund) {
  if (refunds.some((each) => each.payment === refund.payment && each.state === "done")) return refunds;
  const others = refunds.filter(({ payment }) => payment !== refund.payment);
  const { payment, amount, state, reason } = refund;
  return [...others, { payment, amount, state, reason }];
}

/** Whether nothing more will happen to a refund by itself. @param {Refund} refund */
export function isFinal({ state }) {
  return state === "done" || state === "failed";
}

/** The refunds of a hold, as the server knows them. @param {string} server origin of a node @param {string} hold @returns {Promise<Refund[]>} */
export async function askRefunds(server, hold) {
  return (await ask(server, hold, "/refunds")).refunds ?? [];
}

/** Ask the server about the payments whose end is not known. @param {string} server origin of a node */
export async function refreshPayments(server) {
  for (const { hold, at, booked, refunds, what } of begunPayments()) {
    if (Date.now() - at > ASKED_MS || (booked && !refunds.length) || (refunds.length && refunds.every(isFinal)))
      continue;
    try {
      for (const refund of await askRefunds(server, hold)) noteRefund(hold, refund);
      const found = booked ? null : (await ask(server, hold)).hold;
      if (found?.state !== "booked") continue;
      keepTicket({ ...what, id: bookingOf(hold), seats: seatsOf(what, found.seats) });
      noteBooked(hold);
    } catch {
      // The next call asks again.
    }
  }
}

/** @param {string} hold */
export function noteBooked(hold) {
  change(hold, (begun) => ({ ...begun, booked: true }));
}

// The seats of a ticket by the names that they were ordered with; equal seats in their place have ids only.
/** @param {Omit<Ticket, "id">} what @param {string[]} ids */
function seatsOf(what, ids) {
  return ids.map((id) => what.seats.find((seat) => seat.id === id) ?? { id, name: id, section: "" });
}

/** @param {string} hold @param {(begun: Begun) => Begun} next */
function change(hold, next) {
  write(begunPayments().map((each) => (each.hold === hold ? next(each) : each)));
}

/** @param {Begun[]} all */
function write(all) {
  remember(KEY, all.length ? JSON.stringify(all) : null);
}

/** @param {string} server @param {string} hold @param {string} [what] @returns {Promise<any>} */
async function ask(server, hold, what = "") {
  const answer = await fetchAsOwner(`/holds/${encodeURIComponent(hold)}${what}`, { server });
  return answer.ok ? answer.json() : {};
}
