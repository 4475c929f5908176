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
  rows?: ListedRow[];
}

/** How the seats `first` to `first + count - 1` are named and drawn, where section, row and number don't say it. */
export interface ListedRow {
  first: number;
  count: number;
  label?: string;
  seat_label?: string;
  names?: "start" | "end" | "none";
  block?: number;
  radius?: number[];
}

/** Seats of one section and row that follow each other, as a coded layout has them. */
export interface CodedRow {
  /** Index of its first seat in the chunk. */
  first: number;
  count: number;
  section: string;
  name: string;
  /** The number of the n-th seat of the row. */
  number: (n: number) => string;
  id: (n: number) => string;
  /** Which of the row's seats are accessible. */
  accessible: number[];
  listed: Omit<ListedRow, "first" | "count"> | null;
}

/** The next rows of a coded layout, with what each of their seats has. */
export interface CodedChunk {
  count: number;
  rows: CodedRow[];
  /** Index into the layout's categories, for each seat. */
  categories: Uint8Array;
  x: Float64Array;
  y: Float64Array;
}

/** A show as `GET /shows` lists it. Prices are by category: whole rupees before tax, and paise with fee and taxes. */
export interface Show {
  id: string;
  title: string;
  theatre: string;
  theatre_name: string;
  region: string;
  city: string;
  starts_at: string;
  /** When seats go on sale; "": at once. */
  sales_start?: string;
  sales_end?: string;
  layout: string;
  seat_count: number;
  prices: Record<string, number>;
  all_in_prices?: Record<string, number>;
  currency: string;
  hold_s: number;
  max_seats: number;
  /** how many seats are free, seconds old; in lists only, and missing while it is not known */
  free?: number;
  admission?: string;
  status: ShowStatus;
}

export type ShowStatus = "live" | "stale" | "paused" | "closed" | "not_started";
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

/** The seats at one version: the body of `GET /shows/{show}/seats`. */
export interface Snapshot {
  show: string;
  epoch: string;
  version: number;
  status: ShowStatus;
  seats: string;
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
  /** In place of `seats`: the same, compressed. */
  deflated?: string;
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
  /** while it can be paid for */
  prices?: Prices;
}

/** What seats cost, in paise: `total` = `price` + `fee` + `tax`. */
export interface Prices {
  price: number;
  fee: number;
  tax: number;
  total: number;
  lines: PriceLine[];
}

/** `count` equal tickets or their fees; `rate` of the tax is in basis points. */
export interface PriceLine {
  kind: "ticket" | "fee";
  category: string;
  count: number;
  unit: number;
  rate: number;
  unit_tax: number;
  value: number;
  tax: number;
}

/** A payment that is returned; `amount` is paise. */
export interface Refund {
  payment: string;
  hold?: string;
  amount: number;
  state: "promised" | "sent" | "done" | "failed";
  reason?: string;
}

export interface Booking {
  id: string;
  show: string;
  seats: string[];
  state: "booked" | "pending" | "rejected" | "cancelled";
  /** the seats that were asked for, if these are equal ones in their place */
  instead_of?: string[];
}

export interface HoldAck {
  ok: true;
  hold: Hold;
  server_time: number;
}

/** What the element reports about a seat. `price` is rupees with fee and taxes, null while prices are unknown. */
export interface SeatInfo {
  id: string;
  index: number;
  section: string;
  row: string;
  /** what is printed in place of "Row <row>", or "" */
  rowLabel: string;
  /** as it is printed; never empty */
  number: string;
  /** the short name: row and number */
  label: string;
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
