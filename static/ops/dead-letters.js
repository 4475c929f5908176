/**
 * The section of dead letters: what no keeper could process, and why; each can be processed again, or its payment
 * returned. A payment in one is an alarm: somebody has paid and has neither seats nor the money.
 *
 * @import { Translator } from "../i18n/i18n.js"
 *
 * @typedef {{region: string, id: string, kind: string, hold: string, payment: string, amount: string, reason: string}} DeadLetter
 * @typedef {{dead_letters: DeadLetter[], missing: string[]}} Answer `missing`: regions that do not answer
 */
import { errorLine, h } from "../app/dom.js";
import { ApiError, ask } from "./api.js";
import { alarmLine, question, scrollTable, tableRow } from "./pieces.js";
import { PolledSection } from "./polled-section.js";
import { regionName } from "./region-names.js";

/** @extends {PolledSection<Answer>} */
export class DeadLetterList extends PolledSection {
  /** @param {(why: string) => void} leave called when the operator key is not valid any more */
  constructor(leave) {
    super(leave, "dead-letters", "dead-letters", "opsDeadLetterList");
    /** @type {Answer | null} */
    this._answer = null;
    this._problem = "";
    /** Whose payment is about to be returned. @type {DeadLetter | null} */
    this._asking = null;
    this.alarm = h("div", { "aria-live": "assertive" });
  }

  async _request() {
    return ask("/ops/dead-letters");
  }

  /** @param {Answer} answer */
  _keep(answer) {
    this._answer = answer;
  }

  /** @param {DeadLetter} letter @param {"retry" | "refund"} action */
  async _act({ region, id }, action) {
    this._asking = null;
    this._problem = "";
    try {
      await ask(`/ops/dead-letters/${encodeURIComponent(region)}/${encodeURIComponent(id)}/${action}`, {});
    } catch (error) {
      this._problem = error instanceof ApiError ? error.message : String(error);
    }
    this._ask();
  }

  // --- drawing ------------------------------------------------------------------------------------------------------
  _draw() {
    const { _i18n: i18n, _answer: answer } = this;
    if (!i18n || this._isDrawn(answer, this._asking, this._problem)) return;
    const letters = answer?.dead_letters ?? [];
    const paid = letters.filter(({ payment }) => payment).length;
    this.alarm.replaceChildren(...(paid ? [this._alarm(i18n, paid)] : []));
    const missing = (answer?.missing ?? []).map((region) => regionName(i18n, region));
    this._body.replaceChildren(
      ...(this._cut ? [errorLine(i18n.t(this._cutNotice))] : []),
      ...(missing.length ? [errorLine(i18n.t("opsDeadLettersMissing", { regions: i18n.list(missing) }))] : []),
      ...(this._problem ? [errorLine(this._problem, { role: "alert" })] : []),
      answer || this._cut ? this._table(i18n, letters) : h("p", { class: "hint" }, i18n.t("loading")),
      ...(this._asking ? [this._question(i18n, this._asking)] : []),
    );
    if (this._asking) /** @type {HTMLElement} */ (this._body.querySelector(".question .primary")).focus();
  }

  /** @param {Translator} i18n @param {number} n */
  _alarm(i18n, n) {
    return alarmLine(i18n, i18n.t("opsDeadPayments", { n }), () => {
      this.element.scrollIntoView();
      this.element.focus();
    });
  }

  /** @param {Translator} i18n @param {DeadLetter[]} letters */
  _table(i18n, letters) {
    if (!letters.length) return h("p", { class: "hint" }, i18n.t("opsNoDeadLetters"));
    const heads = ["opsRegion", "opsEntry", "opsPayment", "opsAmount", "opsReason", "opsActions"];
    const rows = letters.map((letter) =>
      tableRow(
        regionName(i18n, letter.region),
        `${letter.kind} ${letter.hold}`,
        letter.payment || "–",
        letter.amount ? i18n.moneyLine(Number(letter.amount)) : "–",
        letter.reason,
        h(
          "div",
          { class: "row" },
          this._button(i18n.t("opsRetry"), letter, "retry", () => this._act(letter, "retry")),
          letter.payment && letter.hold
            ? this._button(i18n.t("opsReturn"), letter, "refund", () => {
                this._asking = letter;
                this._draw();
              })
            : null,
        ),
      ),
    );
    return scrollTable(
      i18n.t("opsDeadLetterList"),
      heads.map((name) => i18n.t(name)),
      rows,
    );
  }

  /** @param {string} words @param {DeadLetter} letter @param {string} action @param {() => void} onclick */
  _button(words, letter, action, onclick) {
    const label = `${words}: ${letter.payment || letter.id}`;
    return h("button", { class: "button", type: "button", "data-act": action, "aria-label": label, onclick }, words);
  }

  /** @param {Translator} i18n @param {DeadLetter} letter */
  _question(i18n, letter) {
    return question(
      i18n.t("opsReturn"),
      i18n.t("opsAsk_return", { payment: letter.payment }),
      { words: i18n.t("opsYes"), act: () => this._act(letter, "refund") },
      {
        words: i18n.t("opsNo"),
        act: () => {
          this._asking = null;
          this._draw();
        },
      },
    );
  }
}
