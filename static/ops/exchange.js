/**
 * The form with which an operator moves a booking to other seats of its show.
 *
 * @import { Translator } from "../i18n/i18n.js"
 */
import { errorLine, h } from "../app/dom.js";
import { ApiError, ask } from "./api.js";

/** @typedef {{id: string, amount: number, seats: {id: string}[]}} Booking */

export class ExchangeForm {
  /**
   * @param {Booking} booking
   * @param {() => Promise<void>} done called when it was moved
   * @param {() => void} close called when the operator does not want to
   */
  constructor(booking, done, close) {
    this._booking = booking;
    this._done = done;
    this._close = close;
    this._typed = booking.seats.map(({ id }) => id).join(", ");
    /** @type {((i18n: Translator) => string) | null} */
    this._problem = null;
  }

  /** @param {Translator} i18n */
  view(i18n) {
    const field = h("input", { id: "exchange-seats", value: this._typed, autocomplete: "off", spellcheck: "false" });
    const problem = h("div", { role: "alert" }, this._problem && errorLine(this._problem(i18n)));
    const submit = async (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      this._typed = field.value;
      await this._move();
      problem.replaceChildren(...(this._problem ? [errorLine(this._problem(i18n))] : []));
    };
    return h(
      "form",
      { class: "question exchange", onsubmit: submit, "aria-label": i18n.t("opsExchange") },
      h("label", { for: "exchange-seats" }, i18n.t("opsExchangeSeats", { n: this._booking.seats.length })),
      field,
      problem,
      h(
        "div",
        { class: "row" },
        h("button", { class: "button primary", type: "submit" }, i18n.t("opsExchangeDo")),
        h("button", { class: "button", type: "button", onclick: this._close }, i18n.t("opsKeepSeats")),
      ),
    );
  }

  async _move() {
    const { id, seats: had } = this._booking;
    const seats = this._typed
      .split(/[,;\n]+/)
      .map((each) => each.trim())
      .filter(Boolean);
    this._problem = null;
    if (seats.length !== had.length) {
      this._problem = (i18n) => i18n.t("opsExchangeCount", { n: had.length });
      return;
    }
    try {
      await ask(`/ops/bookings/${encodeURIComponent(id)}/exchange`, { seats });
      await this._done();
    } catch (error) {
      this._problem = (i18n) => refusal(i18n, error);
    }
  }
}

/** @param {Translator} i18n @param {unknown} error */
function refusal(i18n, error) {
  const { code, details } = error instanceof ApiError ? error : new ApiError(0);
  if (code === "seats_taken") return i18n.t("opsExchangeTaken", { seats: i18n.list(details.seats) });
  if (code === "seat_not_found") return i18n.t("opsUnknown", { seats: i18n.list(details.seats) });
  if (code === "price_differs") {
    const [price, amount] = [i18n.money(details.price), i18n.money(details.amount)];
    return i18n.t("opsExchangePrice", { price, amount });
  }
  return i18n.t(i18n.has(`err_${code}`) ? `err_${code}` : "err_internal");
}
