/**
 * The page of a show: the seat map on one side, the booking on the other.
 *
 * @import { SeatMap } from "../seat-map/live-map.js"
 */

import "../seat-map/live-map.js";
import { BookingFlow } from "./flow.js";
import { clockTime, countdown, day, rupees } from "../shows/format.js";

const SOON_MS = 60_000;
const show = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");
/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const side = byId("side");
const banner = byId("banner");
const link = byId("link");
const map = /** @type {SeatMap} */ (document.createElement("seat-map"));
map.setAttribute("show", show);
/** @type {BookingFlow | null} */
let flow = null;
let status = "live";
/** The words of the page when the show can't be shown at all. */
let broken = "";

/**
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} [children]
 */
function element(tag, attributes = {}, children = []) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** @param {string} text @param {() => void} act @param {string} [kind] */
function button(text, act, kind = "") {
  const made = element("button", { type: "button", class: kind }, [text]);
  made.addEventListener("click", act);
  return made;
}

/** @param {string[]} seats */
function chosen(seats) {
  const list = element("ul", { class: "chosen", "aria-label": "Seats" });
  for (const seat of seats) list.append(element("li", {}, [seat]));
  return list;
}

/** @param {string[]} seats */
function total(seats) {
  const sum = seats.reduce((all, seat) => all + (map.infoOf(seat)?.price ?? 0), 0);
  return element("p", { class: "total" }, [element("span", {}, [`${seats.length} seat${seats.length === 1 ? "" : "s"}`]), element("span", {}, [rupees(sum)])]);
}

function legend() {
  const list = element("ul", { class: "legend", "aria-label": "Prices; choose one to see only its seats" });
  for (const [category, price] of Object.entries(map.showInfo?.prices ?? {}).sort((a, b) => b[1] - a[1])) {
    const swatch = element("span", { class: "swatch" });
    swatch.style.background = map.colorOf(category);
    const entry = button("", () => {
      map.filter = map.filter === category ? "" : category;
      draw();
    });
    entry.setAttribute("aria-pressed", String(map.filter === category));
    entry.append(swatch, category, element("span", { class: "price" }, [rupees(price)]));
    list.append(element("li", {}, [entry]));
  }
  const keys = element("ul", { class: "keys", "aria-hidden": "true" }, [
    element("li", {}, [element("span", { class: "key mine" }, ["✓"]), "yours"]),
    element("li", {}, [element("span", { class: "key held" }, ["•"]), "held"]),
    element("li", {}, [element("span", { class: "key sold" }, ["×"]), "sold"]),
  ]);
  return [list, keys];
}

function jump() {
  const input = /** @type {HTMLInputElement} */ (element("input", { "aria-label": "Go to a seat, for example F12", placeholder: "Go to seat, e.g. F12" }));
  const form = element("form", { class: "jump" }, [input, element("button", {}, ["Go"])]);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!map.goTo(input.value)) input.setCustomValidity("There is no such seat.");
    else input.setCustomValidity("");
    input.reportValidity();
  });
  return form;
}

function notice() {
  const told = flow?.notice;
  if (!told) return [];
  const parts = [element("p", { class: "note", role: "alert", id: "notice" }, [told.text])];
  const near = told.kind === "lost" && told.seats[0] ? map.nearestFree(told.seats[0], told.seats.length) : [];
  const again = told.kind === "expired" && told.seats.length > 0 && told.seats.every((seat) => map.seatState(seat) === "free");
  if (near.length) parts.push(button(`Take ${near.join(", ")} instead`, () => map.select(near)));
  if (again) parts.push(button("Take the same seats again", () => void flow?.take(told.seats), "primary"));
  return parts;
}

function choosing() {
  const seats = map.selection;
  const holding = flow?.step === "holding";
  const hold = /** @type {HTMLButtonElement} */ (button(holding ? "Holding …" : "Hold these seats", () => void flow?.take(seats), "primary"));
  hold.id = "hold";
  hold.disabled = !seats.length || holding || status === "paused" || status === "closed";
  const card = seats.length
    ? element("div", { class: "card" }, [chosen(seats), total(seats), element("div", { class: "actions" }, [hold, button("Clear", () => map.clear())])])
    : element("p", { class: "card soft" }, ["Tap the seats that you would like. Pinch, scroll or use + and − to come closer."]);
  return [...notice(), ...legend(), jump(), card];
}

function held() {
  const hold = /** @type {NonNullable<BookingFlow["hold"]>} */ (flow?.hold);
  const paying = flow?.step === "paying";
  const pay = /** @type {HTMLButtonElement} */ (button(paying ? "Paying …" : "Pay now (demo)", () => void flow?.pay(), "primary"));
  pay.id = "pay";
  pay.disabled = paying;
  const actions = element("div", { class: "actions" }, [pay]);
  if (!paying) {
    if (hold.extensions_left) actions.append(button("More time", () => void flow?.extend()));
    actions.append(button("Cancel", () => void flow?.cancel()));
  }
  return [
    ...notice(),
    element("div", { class: "card", id: "held" }, [
      element("h2", {}, ["These seats are yours for"]),
      element("p", { class: "clock", id: "clock", role: "timer" }, [countdown(flow?.left ?? 0)]),
      chosen(hold.seats),
      total(hold.seats),
      actions,
      element("p", { class: "soft small" }, ["The demo payment takes no money."]),
    ]),
  ];
}

function pending() {
  return [
    ...notice(),
    element("div", { class: "card", id: "pending" }, [
      element("h2", {}, ["Your payment is in"]),
      element("p", {}, ["The booking is being recorded. You can stay here or come back later; it finishes by itself."]),
      chosen(flow?.hold?.seats ?? []),
    ]),
  ];
}

function booked() {
  const booking = /** @type {NonNullable<BookingFlow["booking"]>} */ (flow?.booking);
  return [
    element("div", { class: "card ticket", id: "booked", role: "status" }, [
      element("h2", {}, ["Booked. Enjoy the show!"]),
      chosen(booking.seats),
      total(booking.seats),
      element("p", { class: "soft small" }, ["Ticket code"]),
      element("p", { class: "code" }, [booking.id]),
      button("Book more seats", () => flow?.again()),
    ]),
  ];
}

function draw() {
  if (broken) {
    side.replaceChildren(element("div", { class: "card" }, [element("p", { role: "alert" }, [broken]), element("a", { href: "/" }, ["See all shows"])]));
    return;
  }
  const step = flow?.step ?? "choosing";
  side.className = `side ${step === "holding" ? "choosing" : step}`;
  const own = step === "booked" ? flow?.booking?.seats : step === "choosing" || step === "holding" ? [] : flow?.hold?.seats;
  map.setOwn(own ?? []);
  map.holding = step === "holding";
  map.toggleAttribute("locked", step !== "choosing");
  const parts = { choosing, holding: choosing, held, paying: held, pending, booked }[step]();
  refill(parts);
}

/** Fill the side anew without taking the focus from whoever is there with the keyboard. @param {Node[]} parts */
function refill(parts) {
  const before = document.activeElement;
  const inside = before instanceof HTMLElement && side.contains(before);
  const name = inside ? before.id || before.textContent : "";
  side.replaceChildren(...parts);
  if (!inside) return;
  const same = [...side.querySelectorAll("button, input")].find((each) => (each.id || each.textContent) === name);
  const next = same ?? side.querySelector("button.primary");
  if (next instanceof HTMLElement) next.focus();
}

/** @param {string} text @param {string} [kind] */
function say(text, kind = "") {
  banner.textContent = text;
  banner.className = `banner ${kind}`;
  banner.hidden = !text;
}

const BANNERS = /** @type {Record<string, string>} */ ({
  stale: "This theatre's region is out of reach. The map may be out of date.",
  paused: "Sales are paused for a moment.",
  closed: "Sales for this show are closed.",
});

map.addEventListener("linkchange", (event) => {
  const { state } = /** @type {CustomEvent} */ (event).detail;
  link.textContent = state === "online" ? "Live" : state === "offline" ? "Reconnecting" : "Connecting";
  link.className = state === "online" ? "pill" : "pill warn";
  if (state === "offline") say("The connection was lost. Reconnecting …", "bad");
  else if (state === "online") {
    say(BANNERS[status] ?? "");
    void flow?.resume();
  }
});
map.addEventListener("statuschange", (event) => {
  ({ status } = /** @type {CustomEvent} */ (event).detail);
  say(BANNERS[status] ?? "");
  draw();
});
map.addEventListener("ready", () => {
  const info = map.showInfo;
  if (!info) return;
  document.title = `${info.title} · TickingTickets`;
  byId("title").textContent = info.title;
  byId("where").textContent = `${info.theatre_name}, ${info.city} · ${day(info.starts_at)}, ${clockTime(info.starts_at)}`;
  document.documentElement.dataset.ready = "yes";
  draw();
});
map.addEventListener("failure", (event) => {
  const { code, message } = /** @type {CustomEvent} */ (event).detail;
  if (code === "show_not_found") {
    broken = "There is no such show. It may have been taken off.";
    byId("title").textContent = "No such show";
    draw();
  } else if (!map.showInfo) {
    say(message || "The show can't be loaded right now. Reload the page to try again.", "bad");
  }
});
map.addEventListener("selectionchange", () => {
  if (flow?.notice) flow.notice = null;
  draw();
});
map.addEventListener("seatlost", (event) => {
  if (!flow) return;
  const { seats } = /** @type {CustomEvent} */ (event).detail;
  flow.notice = { kind: "lost", text: `${seats.join(", ")} went to somebody else just now.`, seats };
  draw();
});
map.addEventListener("news", (event) => flow?.news(/** @type {CustomEvent} */ (event).detail));

/** @type {HTMLElement} */ (document.querySelector("main")).append(map);
if (map.connection) {
  flow = new BookingFlow(map.connection, show);
  let step = flow.step;
  flow.addEventListener("change", () => {
    if (flow && step !== flow.step && ["held", "booked"].includes(flow.step)) map.clear();
    step = flow?.step ?? step;
    if (flow?.notice?.kind === "lost") map.drop(flow.notice.seats);
    draw();
  });
  void flow.resume();
}
draw();
setInterval(() => {
  const clock = document.getElementById("clock");
  if (!clock || !flow) return;
  clock.textContent = countdown(flow.left);
  clock.classList.toggle("soon", flow.left < SOON_MS);
}, 250);
