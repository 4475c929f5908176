/**
 * The page of a show: joins the map, the flow and the panel.
 */
import "./early.js";
import "../seat-map/seat-map.js";
import { addressPart, setUpPage } from "../app/page.js";
import { storeCheckoutReturn } from "./checkout-return.js";
import { keepChosen } from "./chosen.js";
import { Flow } from "./flow.js";
import { LiveHolds } from "./live-holds.js";
import { Panel } from "./panel.js";
import { refreshPayments } from "./refunds.js";

/** @param {string} selector @returns {HTMLElement} */
const find = (selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
const map = /** @type {import("../seat-map/seat-map.js").SeatMap} */ (find("seat-map"));
const show = addressPart(1) || "-";
// Before anything else: from here on a reload does not lose the proof of payment.
storeCheckoutReturn(show);
const flow = new Flow(map, show);
const panel = new Panel(find("#panel"), flow, map);
keepChosen(map, flow, show, (n) => panel.note(i18n.t("lostChosen", { n })));
const live = find("#live");
const holds = new LiveHolds(find("#holds"), show);
/** @type {import("../i18n/i18n.js").Translator} */
let i18n;

function describe() {
  const info = map.info;
  if (!info || !i18n) return;
  document.title = `${i18n.name(info.title)} · ${i18n.t("brand")}`;
  find("#title").textContent = i18n.name(info.title);
  find("#when").textContent = i18n.moment(info.starts_at);
  find("#where").textContent = `${i18n.name(info.theatre_name)}, ${i18n.name(info.city)}`;
  panel.show = info;
  panel.draw();
}

function liveness() {
  const word =
    map.connection !== "online"
      ? `conn_${map.connection}`
      : map.status === "live"
        ? "conn_online"
        : `status_${map.status}`;
  live.dataset.state = map.connection !== "online" ? map.connection : map.status;
  live.textContent = i18n.t(word).replace(/[.…।].*$/, "");
}

// Held seats can be changed until a payment is begun.
flow.addEventListener("change", () =>
  map.toggleAttribute("readonly", !["choosing", "expired"].includes(flow.step) && !flow.changeable),
);
map.addEventListener("selectionchange", (event) => {
  if (flow.step === "expired" && /** @type {CustomEvent} */ (event).detail.seats.length) flow.restart();
});
map.addEventListener("showchange", describe);
map.addEventListener("statuschange", liveness);
map.addEventListener("failed", () => {
  document.body.classList.add("failed");
  if (!map.info) find("#title").textContent = i18n.t("brand");
});
map.addEventListener("ready", () => {
  document.body.classList.remove("failed");
  document.documentElement.toggleAttribute("data-ready", true);
  describe();
});
await setUpPage(find("#switches"), (words, theme) => {
  i18n = words;
  map.setAttribute("locale", words.code);
  map.setAttribute("theme", theme);
  panel.localize(words);
  holds.localize(words);
  find("#holds").setAttribute("aria-label", words.t("heldSeats"));
  describe();
  liveness();
});
map.setAttribute("show", show);
flow.resume();
holds.refresh();
refreshPayments(location.origin).then(() => panel.draw());
