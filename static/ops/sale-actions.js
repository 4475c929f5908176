/**
 * What an operator can do to a show: open, pause and close its sales, block and unblock seats. Each action is confirmed
 * first.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { Show } from "./show.js"
 */
import { h } from "../app/dom.js";
import { parseSeatIds, toggleSeatId } from "./seat-ids.js";

/** @typedef {"open" | "pause" | "close" | "block" | "unblock"} Action */

export class SaleActions {
  /**
   * @param {object} hooks
   * @param {(action: Action, seats: string[] | undefined) => Promise<boolean>} hooks.act whether it was done
   * @param {() => void} hooks.selectionChanged
   * @param {() => void} hooks.noSeats an action needs seats, and none are chosen
   */
  constructor(hooks) {
    this._hooks = hooks;
    /** @type {Translator | null} */
    this._i18n = null;
    /** @type {Show | null} */
    this._show = null;
    /** @type {{id: string}[]} */
    this._seats = [];
    /** @type {Map<string, number>} */
    this._indexOf = new Map();
    /** The action that waits to be confirmed. @type {Action | ""} */
    this._asking = "";
    this._typed = "";
    this.element = h("section", { class: "actions" });
  }

  /** @param {{id: string}[]} seats of the layout, by index */
  setSeats(seats) {
    this._seats = seats;
    this._indexOf = new Map(seats.map((seat, n) => [seat.id, n]));
  }

  /** Indices of the seats that are typed and exist. @returns {Set<number>} */
  get chosen() {
    const indices = [...parseSeatIds(this._typed)].map((id) => this._indexOf.get(id));
    return new Set(indices.filter((index) => index !== undefined));
  }

  /** Add a seat to the chosen ones, or remove it. @param {number} index */
  toggle(index) {
    this._typed = toggleSeatId(this._typed, this._seats[index].id);
    this._draw();
    this._hooks.selectionChanged();
  }

  /** @param {Translator} i18n @param {Show | null} show */
  draw(i18n, show) {
    this._i18n = i18n;
    this._show = show;
    this._draw();
  }

  _draw() {
    const { _i18n: i18n, _show: show } = this;
    if (!i18n || !show) {
      this.element.replaceChildren();
      return;
    }
    const field = h("textarea", { id: "seats", rows: 2, spellcheck: "false", placeholder: i18n.t("opsSeatsHint") });
    field.value = this._typed;
    field.addEventListener("input", () => {
      this._typed = field.value;
      this._hooks.selectionChanged();
    });
    this.element.replaceChildren(
      h("h2", {}, i18n.t("opsSales")),
      h("div", { class: "row" }, this._button(i18n, "open"), this._button(i18n, "pause"), this._button(i18n, "close")),
      h("h2", {}, i18n.t("opsBlocking")),
      h("label", { for: "seats" }, i18n.t("opsSeatsLabel")),
      field,
      h("div", { class: "row" }, this._button(i18n, "block"), this._button(i18n, "unblock")),
      ...(this._asking ? [this._question(i18n, this._asking)] : []),
    );
  }

  /** @param {Translator} i18n @param {Action} action */
  _button(i18n, action) {
    const ask = () => this._ask(action);
    return h(
      "button",
      { class: "button", type: "button", "data-act": action, onclick: ask },
      i18n.t(`opsDo_${action}`),
    );
  }

  /** @param {Translator} i18n @param {Action} action */
  _question(i18n, action) {
    return h(
      "div",
      { class: "question", role: "alertdialog", "aria-label": i18n.t(`opsDo_${action}`) },
      h("p", {}, i18n.t(`opsAsk_${action}`, { n: this.chosen.size })),
      h(
        "div",
        { class: "row" },
        h("button", { class: "button primary", type: "button", onclick: () => this._act(action) }, i18n.t("opsYes")),
        h("button", { class: "button", type: "button", onclick: () => this._cancel(action) }, i18n.t("opsNo")),
      ),
    );
  }

  /** @param {Action} action */
  _ask(action) {
    if (needsSeats(action) && !this.chosen.size) {
      this._hooks.noSeats();
      this._focus("#seats");
      return;
    }
    this._asking = action;
    this._draw();
    this._focus(".question .primary");
  }

  /** @param {Action} action */
  _cancel(action) {
    this._asking = "";
    this._draw();
    this._focus(`[data-act="${action}"]`);
  }

  /** @param {Action} action */
  async _act(action) {
    this._asking = "";
    const seats = needsSeats(action) ? [...this.chosen].map((index) => this._seats[index].id) : undefined;
    const done = await this._hooks.act(action, seats);
    if (done && seats) {
      this._typed = "";
      this._hooks.selectionChanged();
    }
    this._draw();
    this._focus(`[data-act="${action}"]`);
  }

  /** @param {string} selector */
  _focus(selector) {
    /** @type {HTMLElement | null} */ (this.element.querySelector(selector))?.focus();
  }
}

/** @param {Action} action */
function needsSeats(action) {
  return action === "block" || action === "unblock";
}
