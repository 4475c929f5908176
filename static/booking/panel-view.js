/**
 * What the states of the panel are drawn from: the booking, the map and the show, in the words of a language.
 *
 * @import { Flow } from "./flow.js"
 * @import { SeatMap } from "../seat-map/seat-map.js"
 * @import { Show } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 * @import { Ticket } from "./ticket.js"
 */
import { errorNote } from "./pieces.js";

export class PanelView {
  /**
   * @param {Translator} i18n
   * @param {Flow} flow
   * @param {SeatMap} map
   * @param {Show | null} show
   * @param {(() => void) | null} finish called at the end of a booking at a kiosk; null elsewhere
   */
  constructor(i18n, flow, map, show, finish) {
    this.i18n = i18n;
    this.flow = flow;
    this.map = map;
    this.show = show;
    this.finish = finish;
  }

  get offline() {
    return this.map.connection === "offline";
  }

  /** Whether the page was loaded just now: its first connection is being made. */
  get connecting() {
    return this.map.connection === "connecting";
  }

  /** @param {string[]} ids */
  infos(ids) {
    return infos(this.map, ids);
  }

  /** @param {string[]} ids */
  names(ids) {
    return this.i18n.list(this.infos(ids).map(({ label }) => label));
  }

  /** What went wrong, null if nothing did. */
  error() {
    const { error } = this.flow;
    return error ? errorNote(error, this.words(error)) : null;
  }

  /** @param {string} code of an error */
  words(code) {
    const { i18n } = this;
    return i18n.has(`err_${code}`) ? i18n.t(`err_${code}`) : this.flow.errorText || i18n.t("err_internal");
  }
}

/** The ticket of a booking as far as this page knows it. @param {Flow} flow @param {SeatMap} map @param {Show | null} show @returns {Ticket} */
export function ticketOf(flow, map, show) {
  return {
    id: flow.booking,
    show: show?.id ?? "",
    title: show?.title ?? "",
    theatre: show?.theatre_name ?? "",
    city: show?.city ?? "",
    starts_at: show?.starts_at ?? "",
    seats: infos(map, flow.seats).map((seat) => ({ id: seat.id, name: seat.label, section: seat.section })),
    prices: flow.prices,
  };
}

/** @param {SeatMap} map @param {string[]} ids */
function infos(map, ids) {
  return ids.map((id) => map.seat(id)).filter((seat) => seat !== null);
}
