// The one geometric transform between a film and the square the network sees.

import { rint } from "../numbers";

const PRECISION = 22; // bits of a weight in Pillow's Resample.c

/** Where a film lies in a black-padded square, its aspect kept; all in pixels. */
export class Letterbox {
  readonly left: number;
  readonly top: number;
  readonly innerWidth: number;
  readonly innerHeight: number;

  constructor(
    readonly height: number,
    readonly width: number,
    readonly size: number,
  ) {
    const scale = size / Math.max(height, width);
    this.innerWidth = Math.max(1, rint(width * scale));
    this.innerHeight = Math.max(1, rint(height * scale));
    this.left = Math.floor((size - this.innerWidth) / 2);
    this.top = Math.floor((size - this.innerHeight) / 2);
  }

  /** Resamples a film, row by row, to the square, bit for bit as Pillow does. */
  apply(pixels: Uint8Array): Uint8Array {
    const { left, top, innerWidth, innerHeight, size } = this;
    const square = new Uint8Array(size * size);
    const narrow = resampleRows(pixels, this.height, this.width, innerWidth);
    resampleColumns(narrow, this.height, innerWidth, innerHeight, (y, row) => {
      square.set(row, (top + y) * size + left);
    });
    return square;
  }
}

/** Which inputs make each output, and with what weight in Pillow's fixed point. */
interface Kernels {
  from: Int32Array;
  count: Int32Array;
  weights: Int32Array; // `taps` for each output
  taps: number;
}

/** Triangles as wide as the reduction. */
function kernels(inputs: number, outputs: number): Kernels {
  const scale = inputs / outputs;
  const filterScale = Math.max(scale, 1);
  const taps = Math.ceil(filterScale) * 2 + 1;
  const from = new Int32Array(outputs);
  const count = new Int32Array(outputs);
  const weights = new Int32Array(outputs * taps);
  const exact = new Float64Array(taps);
  for (let x = 0; x < outputs; x++) {
    const centre = (x + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - filterScale + 0.5));
    const end = Math.min(inputs, Math.trunc(centre + filterScale + 0.5));
    let sum = 0;
    for (let i = 0; i < end - start; i++) {
      const distance = Math.abs((i + start - centre + 0.5) * (1 / filterScale));
      exact[i] = distance < 1 ? 1 - distance : 0;
      sum += exact[i]!;
    }
    for (let i = 0; i < end - start; i++) {
      weights[x * taps + i] = 0.5 + (exact[i]! / sum) * 2 ** PRECISION;
    }
    from[x] = start;
    count[x] = end - start;
  }
  return { from, count, weights, taps };
}

function resampleRows(
  pixels: Uint8Array,
  height: number,
  width: number,
  outputs: number,
): Uint8Array {
  const made = new Uint8Array(height * outputs);
  const { from, count, weights, taps } = kernels(width, outputs);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < outputs; x++) {
      const end = x * taps + count[x]!;
      let sum = 1 << (PRECISION - 1);
      for (let i = x * taps, at = y * width + from[x]!; i < end; i++, at++) {
        sum = (sum + pixels[at]! * weights[i]!) | 0;
      }
      made[y * outputs + x] = sum >> PRECISION;
    }
  }
  return made;
}

function resampleColumns(
  pixels: Uint8Array,
  height: number,
  width: number,
  outputs: number,
  put: (y: number, row: Uint8Array) => void,
): void {
  const sums = new Int32Array(width);
  const row = new Uint8Array(width);
  const { from, count, weights, taps } = kernels(height, outputs);
  for (let y = 0; y < outputs; y++) {
    sums.fill(1 << (PRECISION - 1));
    for (let i = 0; i < count[y]!; i++) {
      const weight = weights[y * taps + i]!;
      const start = (from[y]! + i) * width;
      for (let x = 0; x < width; x++) {
        sums[x] = sums[x]! + pixels[start + x]! * weight;
      }
    }
    for (let x = 0; x < width; x++) row[x] = sums[x]! >> PRECISION;
    put(y, row);
  }
}
