/**
 * The regions of the installation: as cities on a map of India, and as cards with their figures.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { Figures, RegionRecord } from "./figures.js"
 */
import { h, icon } from "../app/dom.js";
import { STATUS_REPORT_OLD_MS, troubles } from "./figures.js";
import { duration, milliseconds, perSecond } from "./format.js";
import { cityAt, outline } from "./india.js";

const SVG = "http://www.w3.org/2000/svg";

/** @param {Translator} i18n @param {RegionRecord[]} regions @param {Figures[]} figures of each @returns {SVGElement} */
export function regionMap(i18n, regions, figures) {
  const svg = svgElement("svg", {
    viewBox: "0 0 96 100",
    role: "img",
    "aria-label": regions
      .map((region, n) => `${i18n.name(region.label)}: ${i18n.t(troubles(region, figures[n])[0] ?? "opsGood")}`)
      .join("; "),
  });
  svg.append(svgElement("path", { d: outline, class: "land" }));
  regions.forEach((region, n) => {
    const at = cityAt(region.label);
    if (!at) return;
    const state = troubles(region, figures[n]).length ? (region.live ? "warn" : "lost") : "good";
    const size = 2 + Math.min(4, Math.log10(1 + figures[n].viewers) * 1.2);
    svg.append(
      svgElement("circle", { cx: at[0], cy: at[1], r: size + 2, class: `halo ${state}` }),
      svgElement("circle", { cx: at[0], cy: at[1], r: size, class: `city ${state}` }),
    );
    const label = svgElement("text", { x: at[0] + size + 3, y: at[1] + 1.6 });
    label.textContent = i18n.name(region.label);
    svg.append(label);
  });
  return svg;
}

/**
 * What is wrong with a region, its figures, and its processes.
 * @param {Translator} i18n
 * @param {RegionRecord} region
 * @param {Figures} now
 * @param {boolean} open whether the processes are listed
 */
export function regionCard(i18n, region, now, open) {
  const wrong = troubles(region, now);
  const state = wrong.length
    ? wrong.map((name) =>
        h(
          "p",
          { class: `state ${region.live ? "warn" : "lost"}` },
          icon("alert"),
          i18n.t(name, { n: now.deadLetters, time: region.since ? i18n.time(region.since) : "" }),
        ),
      )
    : [h("p", { class: "state good" }, icon("check"), i18n.t("opsGood"))];
  const figure = (/** @type {string} */ name, /** @type {string} */ value) =>
    h("div", {}, h("dt", {}, i18n.t(name)), h("dd", {}, value));
  const rows = [
    ...region.nodes.map((node) => ({ ...node, sort: "opsNode" })),
    ...region.keepers.map((keeper) => ({ ...keeper, sort: "opsKeeper" })),
  ].map((each) =>
    h(
      "li",
      { class: each.age_ms < STATUS_REPORT_OLD_MS ? "" : "silent" },
      h("span", {}, `${i18n.t(each.sort)} ${each.name}`),
      h("span", {}, i18n.t("opsHeard", { n: Math.round(each.age_ms / 1000) })),
    ),
  );
  return h(
    "section",
    { class: region.live ? "region" : "region old", "data-region": region.name },
    h("h2", {}, i18n.name(region.label)),
    ...state,
    region.live || !region.since
      ? null
      : h("p", { class: "hint as-of" }, i18n.t("opsAsOf", { time: i18n.clock(region.since) })),
    h(
      "dl",
      {},
      figure("opsViewers", i18n.count(now.viewers)),
      figure("opsLiveHolds", i18n.count(now.liveHolds)),
      figure("opsHoldsPerS", perSecond(now.holds, i18n)),
      figure("opsBookingsPerS", perSecond(now.bookings, i18n)),
      figure("opsStale", milliseconds(now.lag, i18n)),
      figure("opsOutbox", i18n.count(now.outbox)),
      figure("opsOldest", milliseconds(now.oldest, i18n)),
      figure("opsJobs", i18n.count(now.jobs)),
      figure("opsOpenOrders", i18n.count(now.openOrders)),
      figure("opsOldestOrder", duration(now.oldestOrder, i18n)),
    ),
    h(
      "details",
      { "data-region": region.name, open },
      h("summary", {}, i18n.t("opsParts", { nodes: now.nodes, keepers: now.keepers })),
      h("ul", { class: "parts" }, ...rows),
    ),
  );
}

/** @param {string} name @param {Record<string, string | number>} attributes @returns {SVGElement} */
function svgElement(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}
