/**
 * How payments that are returned are shown: how far each is, and why it is returned.
 *
 * @import { Refund } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h } from "../app/dom.js";
import { note } from "./pieces.js";
import { begunPayments } from "./refunds.js";

/** @param {Translator} i18n @param {Refund[]} refunds @returns {HTMLElement[]} */
export function refundNotes(i18n, refunds) {
  return refunds.map((refund) => note(lookOf(refund), `refund-${refund.state}`, ...refundText(i18n, refund)));
}

/**
 * The payments of this browser that are returned, or were.
 * @param {Translator} i18n
 * @param {string} [show] only those for this show
 * @returns {HTMLElement | null} null if there are none
 */
export function refundList(i18n, show) {
  const found = begunPayments().filter((each) => each.refunds.length && (!show || each.what.show === show));
  if (!found.length) return null;
  return h(
    "section",
    { class: "my-refunds" },
    h(show ? "h3" : "h2", {}, i18n.t("yourRefunds")),
    ...found.flatMap(({ what, refunds }) =>
      refunds.map((refund) =>
        note(
          lookOf(refund),
          `refund-${refund.state}`,
          h("b", {}, `${i18n.name(what.title)} · ${i18n.list(what.seats.map(({ name }) => name))}`),
          h("br"),
          ...refundText(i18n, refund),
        ),
      ),
    ),
  );
}

/** @param {Translator} i18n @param {Refund} refund @returns {(Node | string)[]} */
function refundText(i18n, { amount, payment, state, reason }) {
  const why = reason && i18n.has(`refundWhy_${reason}`) ? `${i18n.t(`refundWhy_${reason}`)} ` : "";
  const text = why + i18n.t(`refund_${state}`, { amount: i18n.money(amount) });
  return state === "failed" ? [`${text} `, h("code", {}, payment)] : [text];
}

/** @param {Refund} refund @returns {"good" | "warn"} */
function lookOf({ state }) {
  return state === "failed" ? "warn" : "good";
}
