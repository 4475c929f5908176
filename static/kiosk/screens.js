/**
 * The screens of the kiosk before a booking: today's shows, or the reason why there are none.
 *
 * @import { Show } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 * @import { Programme, Theatre } from "./programme.js"
 */
import { h, icon } from "../app/dom.js";
import { allInPrices } from "../seat-map/all-in-prices.js";
import { levelOf, stateText } from "../shows/availability.js";

/**
 * @param {Translator} i18n
 * @param {Programme} programme
 * @param {(show: Show) => void} choose
 * @returns {Node[]}
 */
export function screenOf(i18n, programme, choose) {
  const { id } = programme;
  switch (programme.state) {
    case "open":
      return programme.today.length
        ? [
            heading(i18n, programme),
            h(
              "ul",
              { class: "kiosk-shows" },
              ...programme.today.map((show) => card(i18n, show, programme.clock.now(), choose)),
            ),
          ]
        : [heading(i18n, programme), message(i18n, "calendar", "kioskNone", "kioskNoneHint", "below")];
    case "cut":
      return [message(i18n, "alert", "kioskCut", "kioskCutHint", "cut")];
    case "trouble":
      return [message(i18n, "alert", "kioskTrouble", "kioskTroubleHint")];
    case "unknown":
      return [
        message(
          i18n,
          "search",
          id ? "kioskUnknown" : "kioskChoose",
          id ? "kioskUnknownHint" : "kioskChooseHint",
          "",
          id,
        ),
        theatreList(i18n, programme.others),
      ];
    default:
      return [h("p", { class: "kiosk-wait", role: "status" }, i18n.t("loading"))];
  }
}

/** @param {Translator} i18n @param {Programme} programme */
function heading(i18n, programme) {
  const now = programme.clock.now();
  return h(
    "div",
    { class: "kiosk-lead" },
    h("h1", {}, i18n.name(programme.theatre?.name ?? "")),
    h("p", {}, `${i18n.t("kioskToday")}, ${i18n.day(now)} · ${i18n.name(programme.theatre?.city ?? "")}`),
    programme.today.length ? h("p", { class: "kiosk-pick" }, i18n.t("kioskPick")) : null,
  );
}

/** @param {Translator} i18n @param {Show} show @param {number} now ms since the epoch @param {(show: Show) => void} choose */
function card(i18n, show, now, choose) {
  const prices = Object.values(allInPrices(show));
  const said = stateText(i18n, show, now);
  const state = said ? h("span", { class: "kiosk-state" }, said) : null;
  return h(
    "li",
    {},
    h(
      "button",
      {
        class: "kiosk-show",
        type: "button",
        "data-show": show.id,
        "data-status": show.status,
        "data-level": levelOf(show),
        disabled: show.status === "closed" || show.status === "not_started",
        onclick: () => choose(show),
      },
      startTime(i18n, show.starts_at),
      h(
        "span",
        { class: "kiosk-what" },
        h("b", {}, i18n.name(show.title)),
        state ?? (prices.length ? h("span", {}, i18n.t("from", { price: i18n.rupees(Math.min(...prices)) })) : null),
      ),
      icon("next"),
    ),
  );
}

// The time in large digits, am or pm small.
/** @param {Translator} i18n @param {string} when */
function startTime(i18n, when) {
  const [hour, ...half] = i18n.time(when).split(/\s+/);
  return h("span", { class: "kiosk-time" }, hour, half.length ? h("small", {}, ` ${half.join(" ")}`) : null);
}

/** @param {Translator} i18n @param {Theatre[]} theatres */
function theatreList(i18n, theatres) {
  const link = (/** @type {Theatre} */ { id, name, city }) =>
    h(
      "li",
      {},
      h(
        "a",
        { class: "kiosk-show", href: `/kiosk/${encodeURIComponent(id)}` },
        h("span", { class: "kiosk-time" }, icon("seat")),
        h("span", { class: "kiosk-what" }, h("b", {}, i18n.name(name)), h("span", {}, i18n.name(city))),
        icon("next"),
      ),
    );
  const order = (/** @type {string} */ a, /** @type {string} */ b) =>
    i18n.name(a).localeCompare(i18n.name(b), i18n.code);
  const sorted = [...theatres].sort((a, b) => order(a.city, b.city) || order(a.name, b.name));
  return h("ul", { class: "kiosk-shows" }, ...sorted.map(link));
}

/**
 * @param {Translator} i18n
 * @param {string} sign
 * @param {string} title
 * @param {string} hint
 * @param {string} [kind]
 * @param {string} [name] of a theatre
 */
function message(i18n, sign, title, hint, kind = "", name = "") {
  return h(
    "div",
    { class: `kiosk-message ${kind}`, role: "status" },
    icon(sign),
    h(kind === "below" ? "h2" : "h1", {}, i18n.t(title, { name })),
    h("p", {}, i18n.t(hint)),
  );
}
