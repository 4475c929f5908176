/**
 * What the parts of one `<seat-map>` share: the show as it lives, what is chosen, the words, the drawing. It also
 * translates between seat ids (the page's and the wire's) and indices (everything inside).
 *
 * @import { SeatMap } from "./seat-map.js"
 * @import { SeatStatus } from "./types.js"
 */
import { translator } from "../i18n/i18n.js";
import { allInPrices } from "./all-in-prices.js";
import { Choosing } from "./choosing.js";
import { LiveShow } from "./live.js";
import { UNKNOWN } from "./seat-states.js";
import { SeatText } from "./seat-text.js";
import { View } from "./view.js";

/** The names of what is shown of a seat, by number. @type {readonly SeatStatus[]} */
export const STATE_NAMES = ["free", "held", "sold", "blocked", "unknown", "selected", "mine"];

export class MapContext {
  /** @param {SeatMap} host @param {{choose: (seat: number) => void, switchView: () => void}} hooks what input on the map leads to */
  constructor(host, { choose, switchView }) {
    this.host = host;
    /** @type {LiveShow | null} */
    this.live = null;
    this.i18n = translator("en");
    this.choosing = new Choosing((seat) => this.status(seat));
    /** The only categories whose seats are shown; empty: all. @type {Set<number>} */
    this.only = new Set();
    this.text = new SeatText({
      layout: () => /** @type {import("./layout.js").Layout} */ (this.layout),
      prices: () => allInPrices(this.live?.show ?? null),
      i18n: () => this.i18n,
      status: (seat) => STATE_NAMES[this.choosing.state(seat)],
      counts: (section) => this.view.counts(section),
    });
    /** Statuses that are shown in place of the present ones. @type {Uint8Array | null} */
    this.shown = null;
    /** @type {View} */
    this.view = new View(host, {
      i18n: () => this.i18n,
      state: (seat) => this.choosing.state(seat),
      status: (seat) => this.status(seat),
      dimmed: (seat) => this.dimmed(seat),
      hides: (section) =>
        this.only.size > 0 && !this.layout?.sections[section].categories.some((category) => this.only.has(category)),
      own: () => this.choosing.own,
      describe: (seat) => this.text.describe(seat),
      choose,
      row: (row) => this.text.row(row),
      tip: (seat) => this.text.tip(seat),
      section: (section) => this.text.section(section),
      switchView,
    });
  }

  get layout() {
    // An element that was removed from the page still knows its last layout: an answer may arrive after the removal.
    return this.live ? this.live.layout : this.view.picture.layout;
  }

  /** Whether a seat is filtered out by its price; the viewer's own never are. @param {number} seat */
  dimmed(seat) {
    return this.only.size > 0 && !this.only.has(this.layout?.category[seat] ?? -1);
  }

  /** What the server says of a seat, or said at the time that is shown. @param {number} seat */
  status(seat) {
    return this.shown?.[seat] ?? this.live?.states.of(seat) ?? UNKNOWN;
  }

  /** @param {string} id */
  index(id) {
    return this.layout?.byId.get(id);
  }

  /** The indices of the ids that this layout has. @param {Iterable<string>} ids */
  indices(ids) {
    return [...ids].map((id) => this.index(id)).filter((index) => index !== undefined);
  }

  /** @param {Iterable<number>} seats @returns {string[]} */
  ids(seats) {
    return Array.from(seats, (seat) => this.layout?.idOf(seat) ?? "");
  }

  /** Dispatch an event of the element. @param {string} name @param {unknown} detail */
  emit(name, detail) {
    this.host.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}
