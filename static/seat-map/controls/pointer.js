/**
 * What a tap, a hover and a long press on the map mean: from afar a place stands for its section, near for its seat.
 *
 * @import { View } from "../view.js"
 */
import { seatAt } from "../nearby.js";

/** How far from its middle a seat can be hit, in sizes of a seat; and at least this many CSS pixels. */
const REACH = 0.62;
const REACH_MOUSE_PX = 7;
const REACH_TOUCH_PX = 18;
/** Seats smaller than this on the screen are not chosen: a tap zooms in first. */
const HIT_MOUSE_PX = 11;
const HIT_TOUCH_PX = 19;
/** The size that such a tap zooms to, and by how much at most. */
const ZOOMED_MOUSE_PX = 28;
const ZOOMED_TOUCH_PX = 34;
/** Seats smaller than this have no tip of their own. */
const TIP_PX = 9;

export class Pointer {
  /** @param {View} view @param {import("../view.js").Owner} owner */
  constructor(view, owner) {
    this._view = view;
    this._owner = owner;
    this._tipSection = -1;
  }

  /** @param {number} x CSS pixels within the map @param {number} y @param {boolean} touch */
  tap(x, y, touch) {
    const view = this._view;
    const { camera, framing, layout, tiles } = view.picture;
    framing.moved = true;
    const size = tiles.seatSize;
    if (layout && size < (touch ? HIT_TOUCH_PX : HIT_MOUSE_PX)) {
      const wanted = touch ? ZOOMED_TOUCH_PX : ZOOMED_MOUSE_PX;
      camera.glideZoom(x, y, Math.min(wanted / size, size < 5 ? 6 : 4));
      return;
    }
    const seat = this._seatNear(x, y, touch);
    if (seat < 0) {
      view.showTip(-1, false);
      return;
    }
    view.moveFocus(seat);
    this._owner.choose(seat);
    if (touch) view.showTip(seat, true);
  }

  /** A long press shows the tip. @param {number} x @param {number} y */
  press(x, y) {
    this._tipAt(x, y, true);
  }

  /** @param {number} x @param {number} y */
  hover(x, y) {
    if (this._view.picture.tiles.seatSize < TIP_PX) this._tipAt(x, y, false);
    else this._hoverSeat(this._seatNear(x, y, false));
  }

  /** The pointer left the map, or drags it. */
  leave() {
    this._hoverSeat(-1);
  }

  /** @param {number} seat -1 for none */
  _hoverSeat(seat) {
    const view = this._view;
    if (seat === view.picture.overlay.hover && this._tipSection < 0) return;
    this._tipSection = -1;
    view.picture.overlay.hover = seat;
    view.grid.classList.toggle("on-seat", seat >= 0);
    view.showTip(seat, false);
    view.picture.wake();
  }

  /** @param {number} x @param {number} y @param {boolean} touch @returns {number} -1 for none */
  _seatNear(x, y, touch) {
    const { layout, camera, tiles } = this._view.picture;
    if (!layout) return -1;
    const reach = Math.max(tiles.seatSize * REACH, touch ? REACH_TOUCH_PX : REACH_MOUSE_PX) / camera.scale;
    return seatAt(layout, (x - camera.x) / camera.scale, (y - camera.y) / camera.scale, reach);
  }

  /** @param {number} x @param {number} y @param {boolean} fade it disappears by itself */
  _tipAt(x, y, fade) {
    const view = this._view;
    const { labels, layout, tiles } = view.picture;
    const seat = this._seatNear(x, y, true);
    if (!layout || !labels.shown(layout, tiles.seatSize)) return view.showTip(seat, fade);
    const section = seat < 0 ? -1 : layout.section[seat];
    if (section === this._tipSection && !fade) return;
    this._tipSection = section;
    view.showSectionTip(section, fade);
  }
}
