/**
 * What the page of a gate says about a ticket, and its colour: green admits, red does not, yellow is not decided. It has
 * none while the ticket is checked.
 *
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h, icon } from "../app/dom.js";
import { seatName } from "../app/seat-name.js";
import { ApiError } from "../ops/api.js";

/** @typedef {{look: "good" | "bad" | "unsure" | "checking", title: string, lines: string[]}} Verdict */

const ICONS = { checking: "clock", good: "check", bad: "close", unsure: "alert" };

/** @param {Translator} i18n @param {string} name of the ticket @returns {Verdict} */
export function checking(i18n, name) {
  return { look: "checking", title: i18n.t("gateChecking", { code: name }), lines: [] };
}

/** @param {Translator} i18n @param {import("./decision.js").Admission} admission @returns {Verdict} */
export function admitted(i18n, { booking }) {
  const seats = i18n.list(booking.seats.map(seatName));
  const sections = new Set(booking.seats.map(({ section }) => i18n.name(section ?? "")));
  return {
    look: "good",
    title: i18n.t("gateAdmit", { n: booking.seats.length }),
    lines: [
      [...sections, seats].filter(Boolean).join(" · "),
      `${i18n.name(booking.title)}, ${i18n.time(booking.starts_at)}`,
    ],
  };
}

/** @param {Translator} i18n @param {unknown} error why a ticket does not admit @returns {Verdict} */
export function refused(i18n, error) {
  const { code, details } = error instanceof ApiError ? error : new ApiError(0);
  const say = (/** @type {Verdict["look"]} */ look, /** @type {string} */ title, /** @type {string[]} */ ...lines) => ({
    look,
    title: i18n.t(title),
    lines: lines.filter(Boolean),
  });
  switch (code) {
    case "already_admitted":
      return say(
        "bad",
        "gateAlready",
        i18n.t("gateAlreadyAt", { time: i18n.clock(details.admitted_at) }),
        details.gate,
      );
    case "wrong_show":
      return say("bad", "gateWrongShow", i18n.name(details.title ?? ""), whenOf(i18n, details));
    case "ticket_leased": {
      const title = i18n.t("gateLeasedElsewhere", { gate: details.gate || "–" });
      return { look: "bad", title, lines: [i18n.t("gateLeasedElsewhereHint", { until: i18n.time(details.until) })] };
    }
    case "not_leased":
      return say("unsure", details.genuine ? "gateGenuineNotLeased" : "gateNotLeased", i18n.t("gateNotLeasedHint"));
    case "booking_cancelled":
      return say("bad", "gateCancelled");
    case "booking_not_found":
      return say("bad", "gateUnknown");
    case "ticket_unreadable":
      if (details.reason === "signature") return say("bad", "gateForged", i18n.t("gateForgedHint"));
      if (["unknown_key", "version"].includes(details.reason))
        return say("unsure", "gateUnverified", i18n.t("gateUnverifiedHint"));
      return say("bad", "gateUnreadable");
    default:
      return say("unsure", "gateNoAnswer", i18n.t("gateNoAnswerHint"));
  }
}

/** @param {Translator} i18n @param {{[name: string]: any}} details `day` is what a QR code has signed */
function whenOf(i18n, { starts_at, day }) {
  if (starts_at) return i18n.t("when", { day: i18n.day(starts_at), time: i18n.time(starts_at) });
  return day ? i18n.t("gateWrongShowOn", { day: i18n.day(`${day}T12:00+05:30`) }) : "";
}

/** @param {Verdict | undefined} verdict @param {string} name of its ticket @param {Translator} i18n @returns {Node[]} */
export function verdictParts(verdict, name, i18n) {
  if (!verdict) return [h("p", { class: "hint" }, i18n.t("gateReady"))];
  const { look, title, lines } = verdict;
  const code = look === "checking" ? null : h("p", { class: "gate-code" }, name);
  return [icon(ICONS[look]), h("div", {}, h("h2", {}, title), ...lines.map((line) => h("p", {}, line)), code)];
}
