/**
 * The elements inside `<seat-map>`, empty: canvas layers and grid, list, legend, tools, and the texts over them.
 */
import { h } from "../app/dom.js";
import { styles } from "./styles.js";

/** @param {HTMLElement} host @param {HTMLElement[]} popups elements to put over the map */
export function shadowTree(host, popups) {
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [styles];
  const parts = {
    stage: h("div", { class: "stage", "aria-hidden": "true" }),
    labelPane: h("div", { class: "labels", "aria-hidden": "true" }),
    canvas: h("canvas", { class: "overlay", "aria-hidden": "true" }),
    grid: h("div", {
      class: "grid",
      role: "grid",
      tabindex: 0,
      "aria-multiselectable": "true",
      "aria-describedby": "help",
    }),
    listBox: h("div", { class: "list", hidden: true, role: "group" }),
    legend: h("div", { class: "legend", role: "group" }),
    banner: h("div", { class: "banner", role: "status", hidden: true }),
    count: h("span", { class: "count" }),
    key: h("ul", { class: "key" }),
    tools: h("div", { class: "tools", role: "group" }),
    cover: h("div", { class: "cover" }),
    help: h("p", { class: "live", id: "help" }),
    polite: h("p", { class: "live", "aria-live": "polite" }),
  };
  const field = h("div", { class: "field" }, parts.stage, parts.labelPane, parts.canvas, parts.grid);
  const over = h("div", { class: "popups" }, ...popups);
  const foot = h("div", { class: "foot" }, parts.count, parts.key, parts.tools);
  const { legend, listBox, banner, cover, help, polite } = parts;
  const frame = h("div", { class: "frame" }, legend, field, listBox, over, banner, foot, cover, help, polite);
  root.append(frame);
  return { ...parts, field, frame };
}
