/**
 * Imports a seating plan, and shows what its seller should know: the report of the importer.
 *
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h, icon } from "../app/dom.js";
import { ApiError, upload } from "./api.js";

/** @typedef {{kind: string, count: number, message: string, examples: string[]}} Finding */
/** @typedef {{layout: {id: string, name: string, seats: number, categories: string[]}, report: Finding[]}} Imported */

export class PlanImport {
  constructor() {
    this.element = h("section", { class: "plan-import" });
    /** @type {Translator | null} */
    this._i18n = null;
    /** @type {{name: string, label: string}[]} */
    this._regions = [];
    this._busy = false;
    this._problem = "";
    /** @type {Imported | null} */
    this._done = null;
  }

  /** @param {Translator} i18n */
  localize(i18n) {
    this._i18n = i18n;
    this._draw();
  }

  /** @param {{name: string, label: string}[]} regions */
  setRegions(regions) {
    if (regions.map(({ name }) => name).join() === this._regions.map(({ name }) => name).join()) return;
    this._regions = regions;
    this._draw();
  }

  /** @param {SubmitEvent} event */
  async _import(event) {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const file = form.get("plan");
    if (!(file instanceof File) || !file.size || this._busy) return;
    this._busy = true;
    this._problem = "";
    this._done = null;
    this._draw();
    try {
      this._done = await upload(`/layouts?region=${encodeURIComponent(String(form.get("region")))}`, file);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this._problem = error.message || /** @type {Translator} */ (this._i18n).t("err_offline");
    }
    this._busy = false;
    this._draw();
    /** @type {HTMLElement | null} */ (this.element.querySelector(".result"))?.focus();
  }

  _draw() {
    const i18n = this._i18n;
    if (!i18n) return;
    const regions = this._regions.map(({ name, label }) => h("option", { value: name }, i18n.name(label)));
    this.element.replaceChildren(
      h("h2", {}, i18n.t("opsPlan")),
      h(
        "form",
        { class: "row", onsubmit: (/** @type {SubmitEvent} */ event) => this._import(event) },
        h(
          "label",
          {},
          i18n.t("opsPlanFile"),
          h("input", { type: "file", name: "plan", accept: ".json", required: true }),
        ),
        h("label", {}, i18n.t("opsRegion"), h("select", { name: "region" }, ...regions)),
        h(
          "button",
          { class: "button", type: "submit", disabled: this._busy },
          i18n.t(this._busy ? "loading" : "opsDo_import"),
        ),
      ),
      ...this._result(i18n),
    );
  }

  /** @param {Translator} i18n @returns {Node[]} */
  _result(i18n) {
    if (this._problem) {
      const lines = this._problem.split("\n").map((line) => h("li", {}, line));
      return [h("div", { class: "result error", role: "alert", tabindex: -1 }, icon("alert"), h("ul", {}, ...lines))];
    }
    if (!this._done) return [];
    const { layout, report } = this._done;
    const findings = report.map(({ kind, message, count, examples }) =>
      h(
        "li",
        {},
        h("b", {}, i18n.has(`opsFinding_${kind}`) ? i18n.t(`opsFinding_${kind}`, { n: count }) : message),
        h("p", { class: "hint" }, examples.join(", ") + (count > examples.length ? " …" : "")),
      ),
    );
    return [
      h(
        "div",
        { class: "result", role: "status", tabindex: -1 },
        h(
          "p",
          { class: "done" },
          icon("check"),
          h("span", {}, i18n.t("opsPlanDone", { name: layout.name, seats: layout.seats })),
        ),
        h("p", {}, h("code", {}, layout.id)),
        findings.length
          ? h("ul", { class: "findings" }, ...findings)
          : h("p", { class: "hint" }, i18n.t("opsPlanFine")),
      ),
    ];
  }
}
