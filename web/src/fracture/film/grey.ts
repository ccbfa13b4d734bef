// Values of any type and number of channels -> a grey film of 8 bits.

import { rint } from "../numbers";
import { type Decoded, toUint8, type Values } from "./film";

/** The pixels, and whether there was colour in them. */
export function grey(decoded: Decoded): { pixels: Uint8Array; coloured: boolean } {
  const { values, channels } = onBlack(decoded);
  const pixels = values instanceof Uint8Array ? values : toUint8(values);
  return channels < 3 ? { pixels, coloured: false } : luma(pixels);
}

/** ITU-R 601 luma of RGB, as Pillow rounds it. */
function luma(rgb: Uint8Array): { pixels: Uint8Array; coloured: boolean } {
  const pixels = new Uint8Array(rgb.length / 3);
  let coloured = 0;
  for (let i = 0, at = 0; i < pixels.length; i++, at += 3) {
    const red = rgb[at]!;
    const green = rgb[at + 1]!;
    const blue = rgb[at + 2]!;
    // JPEG leaves a few levels of chroma on a grey film; a dozen an eye sees.
    if (Math.max(red, green, blue) - Math.min(red, green, blue) > 12) coloured++;
    pixels[i] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
  }
  return { pixels, coloured: coloured / pixels.length > 0.005 };
}

/** Values without their last channel where that is alpha; others as they are. */
function onBlack({ values, channels }: Decoded): { values: Values; channels: number } {
  if (channels !== 2 && channels !== 4) return { values, channels };
  const colours = channels - 1;
  const length = (values.length / channels) * colours;
  const opaque = values instanceof Uint8Array ? 255 : 65535;
  let isOpaque = true;
  for (let at = colours; at < values.length && isOpaque; at += channels) {
    isOpaque = values[at] === opaque;
  }
  const wide = isOpaque ? Uint16Array : Float32Array;
  const lit = new (values instanceof Uint8Array ? Uint8Array : wide)(length);
  const round = values instanceof Uint8Array ? rint : Math.fround;
  for (let i = 0, at = 0; i < length; i += colours, at += channels) {
    const alpha = Math.fround(values[at + colours]! / opaque);
    for (let c = 0; c < colours; c++) {
      const value = values[at + c]!;
      lit[i + c] = isOpaque ? value : round(Math.fround(value * alpha));
    }
  }
  return { values: lit, channels: colours };
}
