/**
 * The small parts that several sections of the operators' pages have.
 *
 * @import { Translator } from "../i18n/i18n.js"
 */
import { errorLine, h } from "../app/dom.js";
import { regionName } from "./region-names.js";

/** A table that scrolls by itself. @param {string} label for screen readers @param {string[]} heads @param {Node[]} rows */
export function scrollTable(label, heads, rows) {
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, ...rows),
    ),
  );
}

/** A row of a table. @param {(string | Node)[]} cells what is in the cells, or whole ones */
export function tableRow(...cells) {
  return h("tr", {}, ...cells.map((cell) => (cell instanceof HTMLTableCellElement ? cell : h("td", {}, cell))));
}

/** Says which regions have not answered. @param {Translator} i18n @param {string[]} regions */
export function missingRegions(i18n, regions) {
  return regions.length
    ? [errorLine(i18n.t("opsMoneyMissing", { regions: i18n.list(regions.map((region) => regionName(i18n, region))) }))]
    : [];
}

/** An alarm. @param {Translator} i18n @param {string} text @param {() => void} show leads to what it is about */
export function alarmLine(i18n, text, show) {
  const line = errorLine(text, { class: "error alarm" });
  line.append(h("button", { class: "button", type: "button", onclick: show }, i18n.t("opsShowThem")));
  return line;
}

/** @param {string} id @param {string} label @param {string} value @param {string[][]} options values with their texts */
export function select(id, label, value, options) {
  const made = h("select", { id, "aria-label": label });
  for (const [name, text] of options) made.append(h("option", { value: name, selected: name === value }, text));
  return made;
}

/** @typedef {{words: string, act: () => void}} Answer */

/** Asks before something is done. @param {string} label @param {string} text @param {Answer} yes @param {Answer} no */
export function question(label, text, yes, no) {
  return h(
    "div",
    { class: "question", role: "alertdialog", "aria-label": label },
    h("p", {}, text),
    h(
      "div",
      { class: "row" },
      h("button", { class: "button primary", type: "button", onclick: yes.act }, yes.words),
      h("button", { class: "button", type: "button", onclick: no.act }, no.words),
    ),
  );
}
