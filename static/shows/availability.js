/**
 * How many seats of a show are free, in words, and how the numbers are kept up to date.
 *
 * @import { Show } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 */

/** A show with fewer free seats than this share of all, or than this number, has few left. */
const FEW_SHARE = 0.1;
const FEW = 12;
const ASK_EVERY_MS = 15000;
const TIMEOUT_MS = 8000;

/** The most free seats of which it is said how many they are. @param {number} seats of the show */
export const fewOf = (seats) => Math.max(FEW, Math.floor(seats * FEW_SHARE));

/** @typedef {"many" | "few" | "none" | ""} Level "" while it is not known */

/** @param {Pick<Show, "seat_count" | "free">} show @returns {Level} */
export function levelOf({ seat_count, free }) {
  if (free === undefined) return "";
  if (free <= 0) return "none";
  return free <= fewOf(seat_count) ? "few" : "many";
}

/** What is said of a show on sale; "" where it has not started and many seats are free. @param {Translator} i18n @param {Show} show @param {number} now ms since the epoch */
export function levelText(i18n, show, now) {
  const level = levelOf(show);
  if (level === "none") return i18n.t("soldOut");
  const begun = Date.parse(show.starts_at) <= now ? i18n.t("begun") : "";
  return [begun, level === "few" ? i18n.t("fewLeft", { n: show.free ?? 0 }) : ""].filter(Boolean).join(" · ");
}

/**
 * @typedef {object} Availability
 * @property {Record<string, number>} free the number of free seats by show
 * @property {Record<string, Show["status"]>} [status] of the shows that are not `live`; a node of the release before names none
 */

/** Ask regularly while the page is visible. @param {(now: Availability) => void} heard */
export function followAvailability(heard) {
  const ask = async () => {
    if (document.visibilityState !== "visible") return;
    try {
      const answer = await fetch("/api/v1/availability", { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (answer.ok) heard(await answer.json());
    } catch {
      // The next answer brings them up to date.
    }
  };
  setInterval(ask, ASK_EVERY_MS);
  document.addEventListener("visibilitychange", ask);
}

/** What is said of a show next to its time; "" where it is on sale and there is nothing to say. @param {Translator} i18n @param {Show} show @param {number} now ms since the epoch */
export function stateText(i18n, show, now) {
  return show.status === "live" ? levelText(i18n, show, now) : statusText(i18n, show);
}

/** The status of a show that is not on sale, in few words. @param {Translator} i18n @param {Show} show */
function statusText(i18n, show) {
  if (show.status === "not_started" && show.sales_start)
    return i18n.t("salesFrom", { when: i18n.moment(show.sales_start) });
  return i18n.t(`status_${show.status}`);
}
