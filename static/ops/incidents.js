/**
 * What went wrong in the regions, and when it was over: as nodes and keepers have recorded it, the newest first.
 *
 * @import { Translator } from "../i18n/i18n.js"
 *
 * @typedef {{id: string, kind: string, about: string, state: "begun" | "ended" | "moment", at: number, seen_from: string, by: string, detail: string}} Incident
 * @typedef {{incidents: Incident[], missing: string[]}} Answer `missing`: regions that do not answer
 */
import { errorLine, h, icon } from "../app/dom.js";
import { ask } from "./api.js";
import { moment } from "./format.js";
import { PolledSection } from "./polled-section.js";
import { regionName } from "./region-names.js";

/** @extends {PolledSection<Answer>} */
export class IncidentList extends PolledSection {
  /** @param {(why: string) => void} leave called when the operator key is not valid any more */
  constructor(leave) {
    super(leave, "incidents", "incidents", "opsIncidents");
    /** @type {Answer | null} */
    this._answer = null;
  }

  async _request() {
    return ask("/ops/incidents");
  }

  /** @param {Answer} answer */
  _keep(answer) {
    this._answer = answer;
  }

  _draw() {
    const { _answer: answer, _i18n: i18n } = this;
    if (!i18n || this._isDrawn(answer)) return;
    if (!answer) {
      this._body.replaceChildren(...(this._cut ? [errorLine(i18n.t(this._cutNotice))] : []));
      return;
    }
    const missing = i18n.list(answer.missing.map((region) => regionName(i18n, region)));
    const lines = answer.incidents.map((incident) => this._line(i18n, incident));
    this._body.replaceChildren(
      ...(this._cut ? [errorLine(i18n.t(this._cutNotice))] : []),
      ...(missing ? [errorLine(i18n.t("opsIncidentsMissing", { regions: missing }))] : []),
      lines.length
        ? h(
            "div",
            { class: "scroll", tabindex: 0, role: "region", "aria-label": i18n.t("opsIncidents") },
            h("ul", {}, ...lines),
          )
        : h("p", { class: "hint" }, i18n.t("opsNoIncidents")),
    );
  }

  /** @param {Translator} i18n @param {Incident} incident */
  _line(i18n, { kind, about, state, at, seen_from, detail }) {
    const name = `opsIncident_${kind}`;
    const what = i18n.has(name) ? i18n.t(name, { detail }) : `${kind} ${detail}`;
    const words = i18n.t(state === "ended" ? "opsEnded" : "opsBegan", { region: regionName(i18n, about), what });
    return h(
      "li",
      { class: state },
      h("time", {}, moment(at, i18n)),
      icon(state === "ended" ? "check" : state === "begun" ? "alert" : "info"),
      h("span", {}, words),
      seen_from === about
        ? null
        : h("span", { class: "hint" }, i18n.t("opsSeenFrom", { region: regionName(i18n, seen_from) })),
    );
  }
}
