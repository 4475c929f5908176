/**
 * The records of shows and theatres that can't be read: each with its reason, and what can be done. Hidden while there
 * are none.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { RegionRecord } from "./figures.js"
 */
import { errorLine, h } from "../app/dom.js";
import { ApiError, ask } from "./api.js";
import { question, scrollTable, tableRow } from "./pieces.js";

/** @typedef {{kind: "show" | "theatre", id: string, reason: string, region: string, label: string}} UnreadableRecord */

export class UnreadableList {
  constructor() {
    /** @type {Translator | null} */
    this._i18n = null;
    /** @type {UnreadableRecord[]} */
    this._records = [];
    this._problem = "";
    /** What waits to be confirmed. @type {{record: UnreadableRecord, action: "repair" | "archive"} | null} */
    this._asking = null;
    this._drawn = "";
    this.element = h("section", { class: "unreadable", hidden: true });
  }

  /** @param {RegionRecord[]} regions */
  setRegions(regions) {
    this._records = regions.flatMap(({ name, label, unreadable }) =>
      (unreadable ?? []).map((record) => ({ ...record, region: name, label })),
    );
    this._draw();
  }

  /** @param {Translator} i18n */
  localize(i18n) {
    this._i18n = i18n;
    this._draw();
  }

  async _act() {
    const { record, action } = /** @type {NonNullable<typeof this._asking>} */ (this._asking);
    this._asking = null;
    this._problem = "";
    try {
      const { region, kind, id } = record;
      if (action === "repair") await ask("/ops/records/repair", { region, kind, id });
      else await ask(`/shows/${encodeURIComponent(id)}/archive`, {});
    } catch (error) {
      this._problem = error instanceof ApiError ? error.message : String(error);
    }
    this._draw();
  }

  _draw() {
    const { _i18n: i18n, _records: records } = this;
    if (!i18n) return;
    // What is read or about to be pressed stays as it is while nothing has changed.
    const drawn = JSON.stringify([i18n.code, records, this._asking, this._problem]);
    if (drawn === this._drawn) return;
    this._drawn = drawn;
    this.element.hidden = !records.length;
    const heads = ["opsRegion", "opsRecord", "opsReason", "opsActions"].map((name) => i18n.t(name));
    this.element.replaceChildren(
      h("h2", {}, i18n.t("opsUnreadable")),
      h("p", { class: "hint" }, i18n.t("opsUnreadableHint")),
      this._problem ? errorLine(this._problem, { role: "alert" }) : "",
      scrollTable(
        i18n.t("opsUnreadable"),
        heads,
        records.map((record) =>
          tableRow(
            i18n.name(record.label),
            `${i18n.t(`opsRecord_${record.kind}`)} ${record.id}`,
            record.reason,
            this._buttons(i18n, record),
          ),
        ),
      ),
      this._asking ? this._question(i18n, this._asking.action) : "",
    );
    if (this._asking) /** @type {HTMLElement} */ (this.element.querySelector(".question .primary")).focus();
  }

  /** @param {Translator} i18n @param {UnreadableRecord} record */
  _buttons(i18n, record) {
    const button = (/** @type {"repair" | "archive"} */ action) =>
      h(
        "button",
        {
          class: "button",
          type: "button",
          "data-act": action,
          "aria-label": `${i18n.t(`opsDo_${action}`)}: ${record.id}`,
          onclick: () => {
            this._asking = { record, action };
            this._draw();
          },
        },
        i18n.t(`opsDo_${action}`),
      );
    // A record with the id of another region's show must not archive that one.
    const own = record.kind === "show" && record.id.startsWith(`${record.region}-`);
    return h("div", { class: "row" }, button("repair"), own ? button("archive") : null);
  }

  /** @param {Translator} i18n @param {"repair" | "archive"} action */
  _question(i18n, action) {
    return question(
      i18n.t(`opsDo_${action}`),
      i18n.t(`opsAsk_${action}`),
      { words: i18n.t("opsYes"), act: () => this._act() },
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
