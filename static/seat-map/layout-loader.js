/**
 * Loads a layout while it arrives. A page that knows its show begins before the map is there (`booking/early.js`): the
 * layout is then decoded while the rest of the page is still on its way.
 */
import { CODED, readLayout } from "./coded-layout.js";
import { Layout } from "./layout.js";

export class LayoutLoader {
  /** @param {string} url of the layout @param {number} seats how many to expect @param {AbortSignal} [signal] */
  constructor(url, seats, signal) {
    /** What has arrived; null before the first part. @type {Layout | null} */
    this.layout = null;
    /** Called when more seats have arrived, but not with the last ones. */
    this.onPart = () => {};
    /** Resolves to the whole layout, ready to be shown; to null if there is none in the coded form. */
    this.done = this._load(url, seats, signal);
    // The one that waits for it gets the error; perhaps nothing ever waits.
    this.done.catch(() => {});
  }

  /** @param {string} url @param {number} seats @param {AbortSignal} [signal] @returns {Promise<Layout | null>} */
  async _load(url, seats, signal) {
    const found = await readLayout(url + CODED, {
      signal,
      head: (head) => {
        this.layout = new Layout(head, seats);
      },
      chunk: (chunk) => {
        this.layout?.addChunk(chunk);
        this.onPart();
      },
    });
    if (!found || !this.layout) return null;
    this.layout.complete = true;
    this.layout.index();
    return this.layout;
  }
}

/** Layouts that are being loaded for a map to come, by URL. @type {Map<string, LayoutLoader>} */
const begun = new Map();

/** Begin to load a layout for a map to come. @param {string} url @param {number} seats */
export function beginLayout(url, seats) {
  begun.set(url, new LayoutLoader(url, seats));
}

/** The loading of a layout: the one that was begun, or a new one. @param {string} url @param {number} seats @param {AbortSignal} signal */
export function loadLayout(url, seats, signal) {
  const loader = begun.get(url);
  begun.delete(url);
  return loader ?? new LayoutLoader(url, seats, signal);
}
