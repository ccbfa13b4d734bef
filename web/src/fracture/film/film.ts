// What every reader shares: a film, its notices, its errors and its limits.

import { fixed } from "../numbers";

export const MIN_SIDE = 32; // pixels; below this no bone can be read
export const LOW_SIDE = 224; // pixels; the input side of the published networks
export const MAX_PIXELS = 40_000_000;
export const MAX_BYTES = 64 * 2 ** 20;

/** Something the reader of a result should know: a stable code and a sentence. */
export interface Notice {
  code: string;
  message: string;
}

/** Technical facts of a film only: no patient tag, no file name. */
export type Facts = Record<string, string | number>;

/** A film as the model sees it: grey, 8 bits, row by row; 0 is black (air). */
export interface Film {
  pixels: Uint8Array;
  width: number;
  height: number;
  warnings: Notice[];
  metadata: Facts;
}

/** A film or weights that cannot be read: a stable code and a sentence to act on. */
export class FilmError extends Error {
  override readonly name = "FilmError";

  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }

  toDict(): Notice {
    return { code: this.code, message: this.message };
  }
}

export type Values =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

/** What a decoder hands over: values still to be made grey, channels interleaved. */
export interface Decoded {
  values: Values;
  width: number;
  height: number;
  channels: number;
  notices: Notice[];
  facts: Facts;
}

/** Throws unless the declared size, in pixels, may be decoded. */
export function checkSize(width: number, height: number, frames = 1): void {
  if (Math.min(width, height) < MIN_SIDE) {
    const message = `${width} x ${height} pixels; at least ${MIN_SIDE} a side are needed.`;
    throw new FilmError("too_small", message);
  }
  const pixels = width * height * frames;
  if (pixels > MAX_PIXELS) {
    throw new FilmError(
      "too_many_pixels",
      `${fixed(pixels / 1e6, 1)} megapixels where at most ${MAX_PIXELS / 1e6} are read; ` +
        "send one frame, or a smaller one.",
    );
  }
}

/** Throws `too_many_parts` where a file has more than `most`. */
export function atMost(what: string, count: number, most: number): void {
  if (count > most) {
    const message = `Over ${most} ${what}, more than a film needs; export it again.`;
    throw new FilmError("too_many_parts", message);
  }
}

/** Throws what a decoder's silence would hide: pixels that only Python's readers know. */
export function refuse(what: string): never {
  const message = `${what} is not read in the browser; export it as 8- or 16-bit grey.`;
  throw new FilmError("unsupported_pixels", message);
}

/**
 * Scales values linearly, `low` to 0 and `high` to 255, rounded.
 *
 * Limits that coincide make a step: 255 above them, 0 elsewhere.
 */
export function toUint8(values: Values, low?: number, high?: number): Uint8Array {
  if (low === undefined || high === undefined) {
    const [least, most] = range(values);
    low ??= least;
    high ??= most;
  }
  const pixels = new Uint8Array(values.length);
  const span = high - low;
  const isWhole = !(values instanceof Float32Array || values instanceof Float64Array);
  if (!(span * 255 < Infinity && (isWhole || values.every(Number.isFinite)))) {
    const message = "Some pixels are not finite numbers; replace NaN and infinity.";
    throw new FilmError("non_finite_pixels", message);
  }
  for (let i = 0; i < values.length; i++) {
    if (high <= low) {
      pixels[i] = values[i]! > low ? 255 : 0;
      continue;
    }
    const scaled = ((values[i]! - low) * 255) / span + 0.5;
    pixels[i] = scaled < 0 ? 0 : scaled > 255 ? 255 : scaled;
  }
  return pixels;
}

/** The least and the greatest value; NaN where any is NaN, as NumPy has it. */
export function range(values: Values): [number, number] {
  let least = Infinity;
  let most = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < least) least = value;
    if (value > most) most = value;
    if (value !== value) return [NaN, NaN];
  }
  return [least, most];
}
