/**
 * The connection of one viewer to the nodes: identity, reconnecting, fail-over, and requests that survive a lost
 * connection.
 *
 * It reconnects forever, first to the same node, then to the others of the list. A request that was not answered
 * before the connection broke is sent again on the next one, so callers must only send requests that the server handles
 * idempotently (docs/protocol.md).
 *
 * Events: `state` (detail: ConnectionState), `message` (detail: {event, payload}), `online` after each (re)connect,
 * `exhausted` when no node could be reached (it keeps trying), `doubt` when the connection should be checked.
 *
 * @import { ConnectionState } from "./types.js"
 */
import { io, WebSocket as WebSocketTransport, XHR } from "/static/vendor/socket.io.esm.min.js";
import { takeEarly } from "./early-socket.js";
import { RequestError } from "./request-error.js";

const TOKEN = "tickingtickets.token";
/** Where a device keeps the staff token of a kiosk (../kiosk/token.js). */
export const STAFF = "tickingtickets.staff";
/** Held by the tab that gets an identity, on the first visit. */
const IDENTITY_LOCK = "tickingtickets.identity";
/** How long it may take to get the identity, and until other tabs see it. */
const IDENTITY_MS = 5000;
/** How often another tab looks for it. */
const LOOK_MS = 20;
const ACK_MS = 6000;
const RETRY_MS = [250, 500, 1000, 2000, 4000];
const NEWS = ["seats:changed", "show:status", "hold:expired", "booking:settled", "refund:updated"];

/** Uses the socket that the page opened early, for the first connection. */
class Transport extends WebSocketTransport {
  /** @param {string} address @param {string[]} protocols @param {object} options */
  createSocket(address, protocols, options) {
    return takeEarly(address) ?? super.createSocket(address, protocols, options);
  }
}

export class Connection extends EventTarget {
  /** @param {string[]} nodes origins, the preferred one first */
  constructor(nodes) {
    super();
    /** @type {string[]} */
    this.nodes = nodes;
    this.base = nodes[0];
    /** @type {ConnectionState} */
    this.state = "connecting";
    this.owner = "";
    /** @type {import("./socket.io.js").Socket | null} */
    this._socket = null;
    this._failures = 0;
    this._timer = 0;
    this._closed = false;
    this._attempt = 0;
    /** Ends the wait for an identity. */
    this._identified = () => {};
    this._wake = () => this._recheck();
  }

  /** Whether no node could be reached. */
  get exhausted() {
    return this._failures > this.nodes.length;
  }

  /** The identity token, "" before the first session. All tabs of this browser share it. */
  get token() {
    return stored(TOKEN);
  }

  open() {
    this._closed = false;
    addEventListener("online", this._wake);
    addEventListener("offline", this._wake);
    addEventListener("pageshow", this._wake);
    document.addEventListener("visibilitychange", this._wake);
    this._connect();
  }

  close() {
    this._closed = true;
    removeEventListener("online", this._wake);
    removeEventListener("offline", this._wake);
    removeEventListener("pageshow", this._wake);
    document.removeEventListener("visibilitychange", this._wake);
    clearTimeout(this._timer);
    this._drop();
  }

  /** Connect at once, without waiting for the next retry. */
  retryNow() {
    if (this.state !== "online" && !this._closed) this._connect();
  }

  /** @param {string[]} nodes origins to fail over to, best first */
  setNodes(nodes) {
    this.nodes = [...new Set([...this.nodes, ...nodes.map((url) => new URL(url).origin)])];
  }

  /**
   * Send a request. It waits for a connection, and sends the request again if one breaks before the answer.
   * @param {string} event
   * @param {object} payload
   * @param {{timeoutMs?: number, ackMs?: number}} [options] how long to try in all, and how long to wait for one answer
   * @returns {Promise<any>} the ack (ok: true)
   * @throws {RequestError}
   */
  async request(event, payload, { timeoutMs = 20000, ackMs = ACK_MS } = {}) {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const socket = await this._online(deadline);
      const left = Math.max(500, Math.min(ackMs, deadline - performance.now()));
      let ack;
      try {
        ack = await socket.timeout(left).emitWithAck(event, payload);
      } catch {
        // No answer: the connection is broken, or so slow that another one is better.
        if (this._socket === socket) this._lost();
        continue;
      }
      if (ack?.ok) return ack;
      throw new RequestError(ack?.error ?? { code: "internal", message: "" });
    }
  }

  /**
   * Send an HTTP request to the node of this connection.
   * @param {string} path
   * @param {RequestInit} [init]
   * @returns {Promise<any>}
   * @throws {RequestError}
   */
  async http(path, init) {
    let response;
    let body;
    try {
      response = await fetch(this.base + path, init);
      // What a balancer says about an error may be no JSON; an answer without its end is none.
      body = response.ok ? await response.json() : await response.json().catch(() => ({}));
    } catch {
      throw new RequestError({ code: "offline", message: "", retryable: true });
    }
    if (response.ok) return body;
    throw new RequestError(body.error ?? { code: "internal", message: `HTTP ${response.status}`, retryable: true });
  }

  /** Send an event that needs no answer; it is dropped while there is no connection. @param {string} event @param {object} payload */
  tell(event, payload) {
    if (this._socket?.connected) this._socket.emit(event, payload);
  }

  /** @param {number} deadline @returns {Promise<import("./socket.io.js").Socket>} */
  _online(deadline) {
    if (this._socket?.connected) return Promise.resolve(this._socket);
    const left = deadline - performance.now();
    if (left <= 0 || this._closed)
      return Promise.reject(new RequestError({ code: "offline", message: "", retryable: true }));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.removeEventListener("online", done);
        reject(new RequestError({ code: "offline", message: "", retryable: true }));
      }, left);
      const done = () => {
        clearTimeout(timer);
        resolve(/** @type {import("./socket.io.js").Socket} */ (this._socket));
      };
      this.addEventListener("online", done, { once: true });
    });
  }

  _connect() {
    clearTimeout(this._timer);
    this._drop();
    this._open(++this._attempt);
  }

  /**
   * Send the identity, or ask for one. Two tabs that are opened at the same time would get two, and one could not find
   * its seats again: one asks, the other waits. The connection is opened meanwhile.
   * @param {number} attempt
   * @param {(auth: {token?: string, staff?: string}) => void} send
   */
  async _identify(attempt, send) {
    if (attempt !== this._attempt || this._closed) return;
    const identify = () => send({ token: this.token || undefined, staff: stored(STAFF) || undefined });
    if (this.token || !navigator.locks) return identify();
    await navigator.locks.request(IDENTITY_LOCK, { ifAvailable: true }, async (lock) => {
      if (!lock) return void setTimeout(() => this._identify(attempt, send), LOOK_MS);
      identify();
      await new Promise((/** @type {(value?: unknown) => void} */ done) => {
        this._identified = done;
        setTimeout(done, IDENTITY_MS);
      });
      // Other tabs don't see at once what this one has stored.
      if (this.token) await new Promise((done) => setTimeout(done, IDENTITY_MS));
    });
  }

  /** @param {number} attempt */
  _open(attempt) {
    // The first two attempts go to the last node: it may only have been restarted.
    const turn = Math.max(0, this._failures - 1);
    const start = Math.max(0, this.nodes.indexOf(this.base));
    const url = this.nodes[(start + turn) % this.nodes.length];
    const socket = io(url, {
      auth: (send) => this._identify(attempt, send),
      transports: [Transport, XHR],
      tryAllTransports: true,
      reconnection: false,
      forceNew: true,
      timeout: 5000,
    });
    this._socket = socket;
    socket.on("session", (/** @type {{owner: string, token: string}} */ session) => {
      this.owner = session.owner;
      store(TOKEN, session.token);
      this._identified();
    });
    socket.on("connect", () => {
      this.base = url;
      this._failures = 0;
      this._setState("online");
      this.dispatchEvent(new Event("online"));
    });
    socket.on("connect_error", (/** @type {Error} */ error) => {
      if (error.message === "unauthorized") store(TOKEN, "");
      if (this._socket === socket) this._lost();
    });
    socket.on("disconnect", () => {
      if (this._socket === socket) this._lost();
    });
    for (const event of NEWS) {
      socket.on(event, (payload) => {
        if (this._socket === socket) this.dispatchEvent(new CustomEvent("message", { detail: { event, payload } }));
      });
    }
  }

  _lost() {
    this._drop();
    if (this._closed) return;
    this._setState("offline");
    const wait = RETRY_MS[Math.min(this._failures, RETRY_MS.length - 1)];
    this._failures++;
    if (this._failures === this.nodes.length + 1) this.dispatchEvent(new Event("exhausted"));
    clearTimeout(this._timer);
    // With jitter: the viewers of a failed node should not all connect to the next one at the same time.
    this._timer = setTimeout(() => this._connect(), wait * (0.5 + Math.random()));
  }

  _drop() {
    const socket = this._socket;
    this._socket = null;
    this._identified();
    socket?.off();
    socket?.disconnect();
  }

  // The device woke up, or its network changed: check the connection now, not at the next heartbeat.
  _recheck() {
    if (document.visibilityState === "hidden") return;
    if (!navigator.onLine && this.state === "online") this.dispatchEvent(new Event("doubt"));
    else if (this.state === "offline") this._connect();
    else if (this.state === "online") this.dispatchEvent(new Event("doubt"));
  }

  /** @param {ConnectionState} state */
  _setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}

/** @param {string} key */
function stored(key) {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return memory.get(key) ?? "";
  }
}

/** @param {string} key @param {string} value */
function store(key, value) {
  memory.set(key, value);
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage may be disabled; the identity then lasts as long as the page.
  }
}

/** @type {Map<string, string>} */
const memory = new Map();
