// What the pages use of the npm package `qr`.

/** Rows of modules, true for dark, with `border` light ones around. */
export default function encodeQR(
  text: string,
  output: "raw",
  options: { ecc: "low" | "medium" | "quartile" | "high"; border: number },
): boolean[][];
