/**
 * A canvas that shows a finished bitmap. Without a graphics processor, Chromium copies every 2D canvas in sight for each
 * frame in which something moves; a bitmap is copied when it is replaced.
 */

/** @param {number} width device pixels @param {number} height */
export function makeBrush(width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { alpha: false });
  // It draws like any other; the type has no method for the document.
  return /** @type {CanvasRenderingContext2D} */ (/** @type {unknown} */ (context));
}

export class Sheet {
  /** @param {CanvasRenderingContext2D} brush of its size, from `makeBrush`; sheets can share one */
  constructor(brush) {
    this._brush = brush;
    this.canvas = document.createElement("canvas");
    this.canvas.width = brush.canvas.width;
    this.canvas.height = brush.canvas.height;
    this._shown = /** @type {ImageBitmapRenderingContext} */ (
      this.canvas.getContext("bitmaprenderer", { alpha: false })
    );
  }

  /** @template T @param {(context: CanvasRenderingContext2D) => T} draw @param {boolean} over what is shown now; else it draws everything @returns {T} */
  draw(draw, over) {
    if (over) this._brush.drawImage(this.canvas, 0, 0);
    const result = draw(this._brush);
    const drawn = /** @type {OffscreenCanvas} */ (/** @type {unknown} */ (this._brush.canvas));
    this._shown.transferFromImageBitmap(drawn.transferToImageBitmap());
    return result;
  }

  remove() {
    this.canvas.remove();
    this._shown.transferFromImageBitmap(null);
  }
}
