// What a TIFF's tags say, checked before its pixels are touched.

import { type Directories, SLACK } from "../film/directories";
import { atMost, checkSize, FilmError } from "../film/film";
import { text } from "../film/sniff";
import { COMPRESSIONS } from "./blocks";

/** Numbers of the tags (TIFF 6.0). */
export const TAG = {
  WIDTH: 256,
  HEIGHT: 257,
  BITS: 258,
  COMPRESSION: 259,
  PHOTOMETRIC: 262,
  FILL_ORDER: 266,
  STRIP_OFFSETS: 273,
  ORIENTATION: 274,
  SAMPLES: 277,
  ROWS_PER_STRIP: 278,
  STRIP_BYTES: 279,
  PLANAR: 284,
  PREDICTOR: 317,
  PALETTE: 320,
  TILE_WIDTH: 322,
  TILE_HEIGHT: 323,
  TILE_OFFSETS: 324,
  TILE_BYTES: 325,
  EXTRA_SAMPLES: 338,
  SAMPLE_FORMAT: 339,
  XMP: 700,
} as const;

/** Of the photometric interpretation. */
export const WHITE_IS_ZERO = 0;
export const RGB = 2;
export const INDEXED = 3;

const SPARE_TILE = 2 ** 24; // pixels by which a tile may exceed the picture
// What libtiff undoes a predictor for; elsewhere it would ignore the tag.
const PREDICTED = [5, 8, 32946, 34925, 50000];

/** What the tags of the first page say of its pixels. */
export interface Layout {
  width: number;
  height: number;
  photometric: number;
  bits: number;
  format: number; // 1 unsigned, 2 signed, 3 floating point
  channels: number;
  isLittle: boolean;
}

/** Throws unless the tags bound what it costs to read the file. */
export function check(data: Uint8Array, tags: Directories): void {
  if (tags.first === 0) {
    throw new FilmError("no_pixels", "The TIFF file holds no picture at all.");
  }
  if (text(data, 0, 4) === "MM\0+") {
    const message = "Big-endian BigTIFF is not read; export it as plain TIFF.";
    throw new FilmError("unsupported_pixels", message);
  }
  const first = (tag: number) => tags.values(tag)[0] ?? 0;
  const [width, height] = [first(TAG.WIDTH), first(TAG.HEIGHT)];
  if (width && height) {
    checkSize(width, height);
    const tile = first(TAG.TILE_WIDTH) * first(TAG.TILE_HEIGHT);
    atMost("pixels in a tile", tile, width * height + SPARE_TILE);
  }
  const compression = first(TAG.COMPRESSION);
  const isRaw = compression === 0 || compression === 1;
  const isPredicted = first(TAG.PREDICTOR) > 1 && !PREDICTED.includes(compression);
  const isWide = isRaw && first(TAG.BITS) > 8;
  const isMixed = first(TAG.PLANAR) === 2 && (first(TAG.SAMPLES) === 2 || isWide);
  if (isPredicted || isMixed || tags.doubled) {
    const message = "TIFF of this rare layout is not read; export it as plain grey.";
    throw new FilmError("unsupported_pixels", message);
  }
  let end = tags.end;
  for (const [offsets, sizes] of [
    [TAG.STRIP_OFFSETS, TAG.STRIP_BYTES],
    [TAG.TILE_OFFSETS, TAG.TILE_BYTES],
  ] as const) {
    if (isRaw) break;
    const counts = tags.values(sizes);
    const sum = counts.reduce((total, count) => total + count, 0);
    atMost("bytes in strips", sum, data.length + SLACK);
    tags.values(offsets).forEach((start, i) => {
      end = Math.max(end, start + (counts[i] ?? 0));
    });
  }
  if (end > data.length) {
    const message = "The TIFF file ends too early; copy or export it again.";
    throw new FilmError("truncated_file", message);
  }
}

/** The layout, if it is one of those that are read; throws `unsupported_pixels`. */
export function describe(data: Uint8Array, tags: Directories): Layout {
  const first = (tag: number, missing: number) => tags.values(tag)[0] ?? missing;
  const same = (tag: number, missing: number) => {
    const values = new Set(tags.values(tag));
    if (values.size > 1) unusual();
    return first(tag, missing);
  };
  const [width, height] = [first(TAG.WIDTH, 0), first(TAG.HEIGHT, 0)];
  if (!width || !height) throw new Error("no size");
  const photometric = first(TAG.PHOTOMETRIC, WHITE_IS_ZERO);
  const [bits, format] = [same(TAG.BITS, 1), same(TAG.SAMPLE_FORMAT, 1)];
  const channels = first(TAG.SAMPLES, 1);
  const extra = tags.values(TAG.EXTRA_SAMPLES).join();
  const kind = `${photometric} ${channels} ${extra}`.trim();
  const isGrey = kind === "0 1" || kind === "1 1";
  const isRead =
    first(TAG.FILL_ORDER, 1) === 1 &&
    ((isGrey && format === 1 && [1, 2, 4, 8, 16, 32].includes(bits)) ||
      (isGrey && format === 2 && [8, 16, 32].includes(bits)) ||
      (isGrey && format === 3 && bits === 32) ||
      (kind === "3 1" && format === 1 && [1, 2, 4, 8].includes(bits)) ||
      (kind === "1 2 2" && format === 1 && bits === 8) ||
      (/^2 (3|4|4 0|4 2)$/.test(kind) && format === 1 && (bits === 8 || bits === 16)));
  if (!isRead || !(first(TAG.COMPRESSION, 1) in COMPRESSIONS)) unusual();
  const isLittle = data[0] === 0x49;
  return { width, height, photometric, bits, format, channels, isLittle };
}

function unusual(): never {
  const message = "TIFF of this kind is not read; export it as 8- or 16-bit grey.";
  throw new FilmError("unsupported_pixels", message);
}
