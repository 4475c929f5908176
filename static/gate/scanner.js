/**
 * Reads QR codes from the camera: with the browser's own detector where there is one, else with a decoder in JavaScript.
 */

/** How often a picture is searched. */
const EVERY_MS = 200;
/** Pictures are searched at this width: enough for a code that fills a fifth of the screen. */
const WIDTH = 640;

export class Scanner {
  /** @param {HTMLVideoElement} video shows what the camera sees @param {(text: string) => void} found */
  constructor(video, found) {
    this._video = video;
    this._found = found;
    this._canvas = document.createElement("canvas");
    /** @type {MediaStream | null} */
    this._stream = null;
    this._timer = 0;
    /** @type {((source: HTMLCanvasElement) => Promise<string>) | null} */
    this._read = null;
  }

  get running() {
    return this._stream !== null;
  }

  /** @throws if there is no camera, or it may not be used */
  async start() {
    this._read ??= await reader();
    this._stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
    this._video.srcObject = this._stream;
    await this._video.play();
    this._look();
  }

  stop() {
    clearTimeout(this._timer);
    for (const track of this._stream?.getTracks() ?? []) track.stop();
    this._stream = null;
    this._video.srcObject = null;
  }

  async _look() {
    if (!this._stream || !this._read) return;
    const { videoWidth, videoHeight } = this._video;
    if (videoWidth) {
      this._canvas.width = WIDTH;
      this._canvas.height = Math.round((WIDTH * videoHeight) / videoWidth);
      this._canvas.getContext("2d")?.drawImage(this._video, 0, 0, this._canvas.width, this._canvas.height);
      const text = await this._read(this._canvas).catch(() => "");
      if (text && this._stream) this._found(text);
    }
    this._timer = setTimeout(() => this._look(), EVERY_MS);
  }
}

/** @returns {Promise<(source: HTMLCanvasElement) => Promise<string>>} rejects or gives "" where there is no code */
async function reader() {
  const Detector = /** @type {any} */ (globalThis).BarcodeDetector;
  const formats = Detector ? await Detector.getSupportedFormats().catch(() => []) : [];
  if (formats.includes("qr_code")) {
    const detector = new Detector({ formats: ["qr_code"] });
    return async (source) => (await detector.detect(source))[0]?.rawValue ?? "";
  }
  const { default: decode } = await import("/static/vendor/qr-decode.js");
  return async (source) => {
    const { width, height } = source;
    const data = /** @type {CanvasRenderingContext2D} */ (source.getContext("2d")).getImageData(0, 0, width, height);
    return decode(data);
  };
}
