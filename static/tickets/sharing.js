/**
 * The part of a ticket that opens it on another device, and that stops the links which were made for this until now.
 *
 * @import { Booking } from "./kept.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { copies, errorLine, h } from "../app/dom.js";
import { qrCode } from "../booking/qr.js";
import { RequestError } from "../seat-map/request-error.js";
import { stopLinks } from "./bookings.js";
import { keyOf } from "./parts.js";

export class Sharing {
  /**
   * @param {(booking: Booking) => void} renewed called with a booking that has a new link
   * @param {(id: string, control: string) => void} redraw draws the page anew, and moves the focus to a control of a booking
   */
  constructor(renewed, redraw) {
    this._renewed = renewed;
    this._redraw = redraw;
    /** The booking that is to be opened on another device; "" for none. */
    this._booking = "";
    /** @type {"link" | "asking" | "sent" | "stopped"} */
    this._step = "link";
    /** What failed: a key of the texts, which may be missing; "" for nothing. */
    this._problem = "";
  }

  /** @param {string} id */
  isOpen(id) {
    return this._booking === id;
  }

  /** What is shown, to compare. */
  get state() {
    return [this._booking, this._step, this._problem];
  }

  /** Show the link to a booking, or hide it. @param {string} id */
  toggle(id) {
    this._booking = this.isOpen(id) ? "" : id;
    this._go("link", id, "share");
  }

  /** @param {Translator} i18n @param {Booking} booking @returns {HTMLElement | null} null if it has no link, or is not open */
  view(i18n, { id, link, linked }) {
    if (!link || !this.isOpen(id)) return null;
    const scan = h("div", { class: "share-scan" });
    qrCode(link, i18n.t("shareCode")).then((svg) => {
      if (svg) scan.replaceChildren(svg);
    });
    const copy = copies(link, i18n.t("copied"));
    const key = keyOf(id, "link");
    return h(
      "div",
      { class: "share-panel", role: "group", "aria-label": i18n.t("shareTicket") },
      this._step === "stopped"
        ? h("p", { class: "links-stopped", tabindex: -1, "data-key": keyOf(id, "stopped") }, i18n.t("linksStopped"))
        : null,
      scan,
      h("p", { class: "hint" }, i18n.t("shareHint")),
      // The clipboard exists on https and localhost only.
      navigator.clipboard
        ? h(
            "button",
            { class: "button quiet copy-link", type: "button", "data-key": key, onclick: copy },
            i18n.t("shareCopy"),
          )
        : h("input", { readonly: true, value: link, "data-key": key, "aria-label": i18n.t("shareLink") }),
      linked || this._step === "stopped" ? null : this._stopView(i18n, id),
    );
  }

  /** @param {Translator} i18n @param {string} id */
  _stopView(i18n, id) {
    const sent = this._step === "sent";
    const button = (/** @type {string} */ look, /** @type {string} */ text, /** @type {() => void} */ act) =>
      h(
        "button",
        { class: `button ${look}`, type: "button", "data-key": keyOf(id, text), onclick: act, disabled: sent },
        i18n.t(text),
      );
    if (this._step === "link") {
      const problem = i18n.has(this._problem) ? this._problem : "linksNotStopped";
      return h(
        "div",
        { class: "stop-links" },
        h("p", { class: "note" }, i18n.t("linksStopHint")),
        this._problem ? errorLine(i18n.t(problem), { role: "alert" }) : null,
        button("quiet stop", "linksStop", () => this._go("asking", id, "linksKeep")),
      );
    }
    const question = h(
      "div",
      { class: "question", role: "alertdialog", "aria-label": i18n.t("linksStop") },
      h("p", {}, i18n.t("linksStopAsk")),
      h(
        "div",
        { class: "pair" },
        button("keep", "linksKeep", () => this._go("link", id, "linksStop")),
        button("yes", "linksStopYes", () => this._stop(id)),
      ),
    );
    return h("div", { class: "stop-links" }, question);
  }

  /** @param {"link" | "asking" | "sent" | "stopped"} step @param {string} id @param {string} control @param {string} [problem] */
  _go(step, id, control, problem = "") {
    this._step = step;
    this._problem = problem;
    this._redraw(id, control);
  }

  /** @param {string} id */
  async _stop(id) {
    this._go("sent", id, "share");
    try {
      this._renewed(await stopLinks(id));
      this._go("stopped", id, "stopped");
    } catch (error) {
      const problem = error instanceof RequestError ? `err_${error.code}` : "linksNotStopped";
      this._go("link", id, "linksStop", problem);
    }
  }
}
