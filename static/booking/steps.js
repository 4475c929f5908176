/**
 * The rules of a booking's steps: what follows from what this browser has written down, and from what the server says
 * of a hold. Pure.
 *
 * @import { Hold } from "../seat-map/types.js"
 * @import { BookingRecord } from "./record.js"
 */

/** `away`: the buyer was sent to the gateway's page, and it is not known yet whether they paid. */
/** @typedef {"choosing" | "holding" | "held" | "paying" | "away" | "confirming" | "pending" | "booked" | "expired" | "rejected"} Step */

/** Errors after which a hold does not exist any more. */
const OVER = ["hold_not_found", "hold_expired", "hold_ended", "hold_lost", "not_your_hold", "request_reused"];

/** Whether an error means that the hold does not exist any more. @param {string} code */
export function isOver(code) {
  return OVER.includes(code);
}

/**
 * How a booking that was interrupted goes on.
 * @param {BookingRecord} record
 * @returns {"booked" | "over" | "confirm" | "find_payment" | "resume" | "hold"}
 */
export function nextAction({ hold, paying, payment, booking, over }) {
  if (booking) return "booked";
  if (hold && over) return "over";
  if (hold && payment) return "confirm";
  if (hold && paying) return "find_payment";
  return hold ? "resume" : "hold";
}

/**
 * The step that a hold is at.
 * @param {Hold} hold
 * @param {number} serverTime ms since the epoch
 * @returns {{step: Step, reason: string}} the reason is an error code, "" for the plain one of the step
 */
export function stepOf({ state, expires_at }, serverTime) {
  if (state === "held" && expires_at > serverTime) return { step: "held", reason: "" };
  if (state === "confirming") return { step: "pending", reason: "" };
  if (state === "booked" || state === "rejected") return { step: state, reason: "" };
  return { step: "expired", reason: state === "lost" ? "hold_lost" : "" };
}

/** Whether `seats` are others than those that were asked for. @param {string[]} seats @param {string[]} wanted */
export function areOthers(seats, wanted) {
  return !seats.every((seat) => wanted.includes(seat));
}

/** @param {string} hold id @returns {string} the id of the booking that it becomes */
export function bookingOf(hold) {
  const dot = hold.indexOf(".");
  return `${hold.slice(0, dot)}.b${hold.slice(dot + 2)}`;
}

/** An id that nobody used before; `crypto.randomUUID` exists on https only. */
export function newRequest() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
