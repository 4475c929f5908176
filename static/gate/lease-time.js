/**
 * How much longer a device may admit from its list. Pure.
 *
 * The time counts from the moment at which the request for the lease was sent, which is before the server counts it. A
 * page counts with its monotonic clock, which may stand still while the device sleeps, and with the wall clock, which
 * people can set: the longer time counts. A wall clock that is behind a time which this device has seen ends the lease
 * until the server is asked again.
 */

/** By how much a wall clock may be corrected backwards. */
export const SLACK_MS = 2000;

/**
 * @typedef {object} LeaseTime
 * @property {number} leaseMs
 * @property {number} sentAt wall clock (ms) when the request was sent
 * @property {number} seenAt the latest wall clock that was seen since
 */

/**
 * @param {LeaseTime} lease
 * @param {number} wall the wall clock now (ms)
 * @param {number} passed ms by the monotonic clock since the request was sent, 0 where the page did not run then
 */
export function leftMs({ leaseMs, sentAt, seenAt }, wall, passed) {
  if (isSetBack({ seenAt }, wall)) return 0;
  return Math.max(0, leaseMs - Math.max(wall - sentAt, passed));
}

/** @param {{seenAt: number}} lease @param {number} wall */
export function isSetBack({ seenAt }, wall) {
  return wall < seenAt - SLACK_MS;
}
