// Films turned as their EXIF or XMP orientation says.

import type { Decoded } from "./film";
import { text } from "./sniff";

/** The orientation that XMP states, 1 to 8. */
export function xmpOrientation(xmp: Uint8Array | undefined): number | undefined {
  const block = 4096;
  let found: string | undefined;
  for (let at = 0; xmp && at < xmp.length && !found; at += block / 2) {
    found = /tiff:Orientation(="|>)([0-9])/.exec(text(xmp, at, at + block))?.[2];
  }
  return found === undefined ? undefined : Number(found);
}

/** The film upright: orientation 2 to 8 as EXIF 2.3 has them, any other as it is. */
export function turned(film: Decoded, orientation = 1): Decoded {
  if (![2, 3, 4, 5, 6, 7, 8].includes(orientation)) return film;
  const { values, width, height, channels } = film;
  const isSideways = orientation > 4;
  const [wide, high] = isSideways ? [height, width] : [width, height];
  const fromRight = [2, 3, 7, 8].includes(orientation);
  const fromBottom = [3, 4, 6, 7].includes(orientation);
  const made = values.slice();
  for (let y = 0, to = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      const [left, top] = isSideways ? [y, x] : [x, y];
      const column = fromRight ? width - 1 - left : left;
      const row = fromBottom ? height - 1 - top : top;
      const at = (row * width + column) * channels;
      for (let c = 0; c < channels; c++) made[to++] = values[at + c]!;
    }
  }
  return { ...film, values: made, width: wide, height: high };
}
