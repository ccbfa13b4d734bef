// Samples of a PNG -> values with 1 to 4 channels, as Pillow would have made them.

import type { DecodedPng } from "fast-png";

import { refuse } from "./film";

export function samples(
  png: DecodedPng,
  colourType: number,
): { values: Uint8Array | Uint16Array; channels: number } {
  const { depth, transparency } = png;
  const pixels = png.width * png.height;
  if (colourType === 3) return indexed(png, pixels);
  if (depth < 8) {
    if (transparency && depth > 1) refuse("PNG of this transparency");
    const clear = transparency ? (transparency[0] ? 255 : 0) : undefined;
    const values = unpacked(png).map((value) => (value * 255) / (2 ** depth - 1));
    return clear === undefined ? { values, channels: 1 } : masked(values, clear);
  }
  const { data, channels } = png as { data: Uint8Array | Uint16Array; channels: number };
  if (depth === 8) {
    const values = new Uint8Array(data.buffer, data.byteOffset, data.length);
    if (!transparency) return { values, channels };
    return channels === 1
      ? masked(values, transparency[0]!)
      : masked(values, ...transparency);
  }
  if (channels < 3) {
    const clear = transparency?.[0];
    const values = clear === undefined ? data : data.map((v) => (v === clear ? 0 : v));
    return { values: values as Uint16Array, channels };
  }
  if (transparency) refuse("16-bit PNG of this transparency");
  return { values: data.map((value) => (value >> 8) * 257), channels };
}

/** Bits of grey or of indices, one byte each. */
function unpacked(png: DecodedPng): Uint8Array {
  const { data, depth, width, height } = png;
  const values = new Uint8Array(width * height);
  const stride = Math.ceil((width * depth) / 8);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const byte = data[y * stride + ((x * depth) >> 3)]!;
      const shift = 8 - depth - ((x * depth) & 7);
      values[y * width + x] = (byte >> shift) & (2 ** depth - 1);
    }
  }
  return values;
}

/** Colours of a palette, with alpha where it has any. */
function indexed(png: DecodedPng, pixels: number): { values: Uint8Array; channels: number } {
  const palette = png.palette ?? [];
  const channels = palette.some((entry) => entry.length > 3) ? 4 : 3;
  const indices = png.depth < 8 ? unpacked(png) : (png.data as Uint8Array);
  const values = new Uint8Array(pixels * channels);
  for (let i = 0; i < pixels; i++) {
    const entry = palette[indices[i]!] ?? refuse("PNG with colours that its palette lacks");
    for (let c = 0; c < channels; c++) values[i * channels + c] = entry[c] ?? 255;
  }
  return { values, channels };
}

/** Pixels of 8 bits with an alpha that is zero where they have one colour. */
function masked(
  values: Uint8Array,
  ...clear: number[]
): { values: Uint8Array; channels: number } {
  const colours = clear.length;
  const made = new Uint8Array((values.length / colours) * (colours + 1)).fill(255);
  for (let at = 0, to = 0; at < values.length; at += colours, to += colours + 1) {
    let isClear = true;
    for (let c = 0; c < colours; c++) {
      made[to + c] = values[at + c]!;
      isClear &&= values[at + c] === clear[c];
    }
    if (isClear) made[to + colours] = 0;
  }
  return { values: made, channels: colours + 1 };
}
