/**
 * When the seats of a show are sold, in words. Pure.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { Show, ShowStatus } from "./types.js"
 */

/** How long after its start a show is sold for which a server of an earlier release names no end. */
const AFTER_START_MS = 20 * 60000;

/** @typedef {Pick<Show, "starts_at" | "sales_start" | "sales_end">} Times */

/** @param {Times} show @returns {number} ms since the epoch */
function salesEnd(show) {
  return show.sales_end ? Date.parse(show.sales_end) : Date.parse(show.starts_at) + AFTER_START_MS;
}

/** Whether a show has started and is not sold any more. @param {Times} show @param {number} now ms since the epoch */
export function isOver(show, now) {
  return now >= salesEnd(show) && now >= Date.parse(show.starts_at);
}

/** Whether a status means that nobody can hold seats. @param {ShowStatus} status */
export function isShut(status) {
  return status === "paused" || status === "closed" || status === "not_started";
}

/**
 * Why no seats can be held, as a sentence.
 *
 * @param {Translator} i18n
 * @param {ShowStatus} status for which `isShut`
 * @param {Times | null} show
 * @param {number} now ms since the epoch
 */
export function shutText(i18n, status, show, now) {
  if (status === "not_started") {
    return show?.sales_start
      ? i18n.t("map_not_started", { when: i18n.moment(show.sales_start) })
      : i18n.t("status_not_started");
  }
  if (status === "closed" && show) {
    if (isOver(show, now)) return i18n.t("map_started");
    if (now >= salesEnd(show)) return i18n.t("map_ended");
  }
  return i18n.t(`map_${status}`);
}
