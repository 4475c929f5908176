// The types that the modules of the seat map share, and those of the wire (docs/protocol.md).

/** A seat as `GET /layouts/{id}` lists it. */
export interface WireSeat {
  id: string;
  section: string;
  row: string;
  number: string;
  category: string;
  x: number;
  y: number;
  accessible?: boolean;
}

/** A shape of the plan that is not a seat (stage, wall, text); points are absolute pairs, see realtime/model.py. */
export interface Shape {
  kind: string;
  points: [number, number][];
  color: string;
  border: string;
  text: string;
  rotation: number;
}

/** Everything of a layout except its seats. */
export interface LayoutHead {
  id: string;
  name: string;
  size: { width: number; height: number };
  categories: { name: string; color: string }[];
  shapes: Shape[];
}

/** A show as `GET /shows` lists it. Prices are whole rupees by category name. */
export interface Show {
  id: string;
  title: string;
  theatre: string;
  theatre_name: string;
  region: string;
  city: string;
  starts_at: string;
  layout: string;
  seat_count: number;
  prices: Record<string, number>;
  currency: string;
  hold_s: number;
  max_seats: number;
  status: ShowStatus;
}

export type ShowStatus = "live" | "stale" | "paused" | "closed";
export type ConnectionState = "connecting" | "online" | "offline";

/** A frame of changes: the payload of `seats:changed`. */
export interface Frame {
  show?: string;
  epoch: string;
  previous_epoch?: string;
  from: number;
  version: number;
  seats?: string;
  free?: number[];
  held?: number[];
  sold?: number[];
  blocked?: number[];
}

/** The ack of `show:watch`. */
export interface WatchAck {
  show: string;
  epoch: string;
  version: number;
  status: ShowStatus;
  since?: number;
  layout: { id: string; url: string };
  seats?: string;
  changes?: Pick<Frame, "from" | "free" | "held" | "sold" | "blocked">;
}

export interface Hold {
  id: string;
  show: string;
  seats: string[];
  /** ms since the epoch, by the server's clock */
  expires_at: number;
  /** how many more times it can be extended */
  extensions_left?: number;
  state: string;
}

export interface Booking {
  id: string;
  show: string;
  seats: string[];
  state: "booked" | "pending" | "rejected";
}

export interface HoldAck {
  ok: true;
  hold: Hold;
  server_time: number;
}

/** What the element reports about a seat. `price` is whole rupees, null while prices are unknown. */
export interface SeatInfo {
  id: string;
  index: number;
  section: string;
  row: string;
  number: string;
  category: string;
  price: number | null;
  accessible: boolean;
  status: SeatStatus;
}

export type SeatStatus = "free" | "held" | "sold" | "blocked" | "unknown" | "selected" | "mine";

export interface Rect {
  left: number;
  top: number;
  right: number;
  bottom: number;
}
