// What the pages use of the decoder of the npm package `qr`.

/** @throws if there is no code in the picture */
export default function decode(picture: { width: number; height: number; data: Uint8ClampedArray }): string;
