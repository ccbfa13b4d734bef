// TIFF: its tags checked, then its strips or tiles put together (TIFF 6.0, BigTIFF).

import { Directories, SLACK } from "./directories";
import {
  atMost,
  checkSize,
  type Decoded,
  FilmError,
  type Notice,
  refuse,
  type Values,
} from "./film";
import { COMPRESSIONS, unpredict } from "./tiff_blocks";
import { text } from "./sniff";
import { turned, xmpOrientation } from "./turn";

const WIDTH = 256;
const HEIGHT = 257;
const BITS = 258;
const COMPRESSION = 259;
const PHOTOMETRIC = 262;
const FILL_ORDER = 266;
const STRIP_OFFSETS = 273;
const ORIENTATION = 274;
const SAMPLES = 277;
const ROWS_PER_STRIP = 278;
const STRIP_BYTES = 279;
const PLANAR = 284;
const PREDICTOR = 317;
const PALETTE = 320;
const TILE_WIDTH = 322;
const TILE_HEIGHT = 323;
const TILE_OFFSETS = 324;
const TILE_BYTES = 325;
const EXTRA_SAMPLES = 338;
const SAMPLE_FORMAT = 339;
const XMP = 700;
const SPARE_TILE = 2 ** 24; // pixels by which a tile may exceed the picture
const MOST_FRAMES = 100;
// What libtiff undoes a predictor for; elsewhere it would ignore the tag.
const PREDICTED = [5, 8, 32946, 34925, 50000];

const WHITE_IS_ZERO = 0;
const RGB = 2;
const INDEXED = 3;

/** What the tags of the first page say of its pixels. */
interface Layout {
  width: number;
  height: number;
  photometric: number;
  bits: number;
  format: number; // 1 unsigned, 2 signed, 3 floating point
  channels: number;
  isLittle: boolean;
}

export function readTiff(data: Uint8Array): Decoded {
  const tags = new Directories(data);
  check(data, tags);
  const layout = describe(data, tags);
  const { photometric, channels, bits } = layout;
  const film = paint(layout, pixels(data, tags, layout), tags);
  const isGrey = photometric < RGB && channels === 1;
  const whiteIsZero = photometric === WHITE_IS_ZERO && isGrey;
  const notices: Notice[] = [];
  if (!isGrey && bits > 8) {
    const message = "16-bit colour was read at 8 bits; export grey to keep it all.";
    notices.push({ code: "reduced_depth", message });
  }
  const facts = {
    format: "TIFF",
    bits,
    frames: Math.min(tags.pages.length, MOST_FRAMES),
    photometric: whiteIsZero ? "MONOCHROME1" : isGrey ? "MONOCHROME2" : "RGB",
  };
  const { width, height } = layout;
  const [stated] = tags.values(ORIENTATION);
  const orientation = stated ?? xmpOrientation(tags.bytes(XMP));
  return turned({ ...film, width, height, notices, facts }, orientation);
}

/** Throws unless the tags bound what it costs to read the file. */
function check(data: Uint8Array, tags: Directories): void {
  if (tags.first === 0) {
    throw new FilmError("no_pixels", "The TIFF file holds no picture at all.");
  }
  if (text(data, 0, 4) === "MM\0+") {
    const message = "Big-endian BigTIFF is not read; export it as plain TIFF.";
    throw new FilmError("unsupported_pixels", message);
  }
  const first = (tag: number) => tags.values(tag)[0] ?? 0;
  const [width, height] = [first(WIDTH), first(HEIGHT)];
  if (width && height) {
    checkSize(width, height);
    const tile = first(TILE_WIDTH) * first(TILE_HEIGHT);
    atMost("pixels in a tile", tile, width * height + SPARE_TILE);
  }
  const compression = first(COMPRESSION);
  const isRaw = compression === 0 || compression === 1;
  const isPredicted = first(PREDICTOR) > 1 && !PREDICTED.includes(compression);
  const isWide = isRaw && first(BITS) > 8;
  const isMixed = first(PLANAR) === 2 && (first(SAMPLES) === 2 || isWide);
  if (isPredicted || isMixed || tags.doubled) {
    const message = "TIFF of this rare layout is not read; export it as plain grey.";
    throw new FilmError("unsupported_pixels", message);
  }
  let end = tags.end;
  for (const [offsets, sizes] of [
    [STRIP_OFFSETS, STRIP_BYTES],
    [TILE_OFFSETS, TILE_BYTES],
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
function describe(data: Uint8Array, tags: Directories): Layout {
  const first = (tag: number, missing: number) => tags.values(tag)[0] ?? missing;
  const same = (tag: number, missing: number) => {
    const values = new Set(tags.values(tag));
    if (values.size > 1) unusual();
    return first(tag, missing);
  };
  const [width, height] = [first(WIDTH, 0), first(HEIGHT, 0)];
  if (!width || !height) throw new Error("no size");
  const photometric = first(PHOTOMETRIC, WHITE_IS_ZERO);
  const [bits, format] = [same(BITS, 1), same(SAMPLE_FORMAT, 1)];
  const channels = first(SAMPLES, 1);
  const extra = tags.values(EXTRA_SAMPLES).join();
  const kind = `${photometric} ${channels} ${extra}`.trim();
  const isGrey = kind === "0 1" || kind === "1 1";
  const isRead =
    first(FILL_ORDER, 1) === 1 &&
    ((isGrey && format === 1 && [1, 2, 4, 8, 16, 32].includes(bits)) ||
      (isGrey && format === 2 && [8, 16, 32].includes(bits)) ||
      (isGrey && format === 3 && bits === 32) ||
      (kind === "3 1" && format === 1 && [1, 2, 4, 8].includes(bits)) ||
      (kind === "1 2 2" && format === 1 && bits === 8) ||
      (/^2 (3|4|4 0|4 2)$/.test(kind) && format === 1 && (bits === 8 || bits === 16)));
  if (!isRead || !(first(COMPRESSION, 1) in COMPRESSIONS)) unusual();
  const isLittle = data[0] === 0x49;
  return { width, height, photometric, bits, format, channels, isLittle };
}

function unusual(): never {
  const message = "TIFF of this kind is not read; export it as 8- or 16-bit grey.";
  throw new FilmError("unsupported_pixels", message);
}

/** All samples, pixel by pixel, as they are stored. */
function pixels(data: Uint8Array, tags: Directories, layout: Layout): Values {
  const { width, height, channels, bits } = layout;
  const first = (tag: number, missing: number) => tags.values(tag)[0] ?? missing;
  const isTiled = !tags.values(STRIP_OFFSETS).length;
  const offsets = tags.values(isTiled ? TILE_OFFSETS : STRIP_OFFSETS);
  const counts = tags.values(isTiled ? TILE_BYTES : STRIP_BYTES);
  const wide = isTiled ? first(TILE_WIDTH, 0) : width;
  const high = isTiled ? first(TILE_HEIGHT, 0) : Math.min(first(ROWS_PER_STRIP, height), height);
  if (!(wide > 0 && high > 0)) throw new Error("no blocks");
  const isPlanar = first(PLANAR, 1) === 2 && channels > 1;
  const samples = isPlanar ? 1 : channels;
  const across = Math.ceil(width / wide);
  const blocks = across * Math.ceil(height / high);
  const compression = first(COMPRESSION, 1);
  const unpack = COMPRESSIONS[compression]!;
  const predictor = first(PREDICTOR, 1);
  const stride = Math.ceil((wide * samples * bits) / 8);
  const values = empty(layout, width * height * channels);
  for (let block = 0; block < blocks * (isPlanar ? channels : 1); block++) {
    const place = block % blocks;
    const left = (place % across) * wide;
    const top = Math.floor(place / across) * high;
    const rows = Math.min(high, height - top);
    const size = stride * (isTiled ? high : rows);
    const start = offsets[block];
    if (start === undefined) throw new Error("too few blocks");
    const end = compression === 1 ? start + size : start + counts[block]!;
    const bytes = unpack(data.subarray(start, end), size);
    if (bytes.length < stride * rows) throw new RangeError("short block");
    for (let y = 0; y < rows; y++) {
      const row = bytes.subarray(y * stride, (y + 1) * stride);
      const read = sampler(unpredict(row, predictor, samples, layout), layout);
      const columns = Math.min(wide, width - left);
      const to = ((top + y) * width + left) * channels + Math.floor(block / blocks);
      if (isPlanar) {
        for (let x = 0; x < columns; x++) values[to + x * channels] = read(x);
      } else {
        for (let i = 0; i < columns * channels; i++) values[to + i] = read(i);
      }
    }
  }
  return values;
}

function empty({ format, bits }: Layout, length: number): Values {
  if (format === 3) return new Float32Array(length);
  const signed = { 8: Int8Array, 16: Int16Array, 32: Int32Array };
  const unsigned = { 8: Uint8Array, 16: Uint16Array, 32: Uint32Array };
  const types = format === 2 ? signed : unsigned;
  return new types[Math.max(bits, 8) as 8 | 16 | 32](length);
}

/** Reads the samples of a row. */
function sampler(row: Uint8Array, layout: Layout): (index: number) => number {
  const { bits, format, isLittle } = layout;
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  if (bits === 8) return format === 2 ? (i) => view.getInt8(i) : (i) => row[i]!;
  if (format === 3) return (i) => view.getFloat32(i * 4, isLittle);
  if (bits === 16) {
    return format === 2
      ? (i) => view.getInt16(i * 2, isLittle)
      : (i) => view.getUint16(i * 2, isLittle);
  }
  if (bits === 32) {
    return format === 2
      ? (i) => view.getInt32(i * 4, isLittle)
      : (i) => view.getUint32(i * 4, isLittle);
  }
  const top = 2 ** bits - 1;
  const scale = layout.photometric === INDEXED ? 1 : 255 / top;
  return (i) => ((row[(i * bits) >> 3]! >> (8 - bits - ((i * bits) & 7))) & top) * scale;
}

/** Samples -> greys or colours as they are shown. */
function paint(
  { photometric, bits, format, channels }: Layout,
  values: Values,
  tags: Directories,
): { values: Values; channels: number } {
  if (photometric === INDEXED) {
    const palette = tags.values(PALETTE);
    const entries = palette.length / 3;
    const made = new Uint8Array(values.length * 3);
    values.forEach((index, i) => {
      if (index >= entries) refuse("TIFF with colours that its palette lacks");
      for (let c = 0; c < 3; c++) made[i * 3 + c] = palette[c * entries + index]! >> 8;
    });
    return { values: made, channels: 3 };
  }
  if (photometric === RGB) {
    const isUnused = tags.values(EXTRA_SAMPLES)[0] === 0;
    const kept = channels === 4 && isUnused ? withoutLast(values) : values;
    const read = bits === 8 ? kept : kept.map((value) => (value >> 8) * 257);
    return { values: read, channels: isUnused ? 3 : channels };
  }
  if (photometric !== WHITE_IS_ZERO || channels > 1) return { values, channels };
  const inverted = format === 3 ? (v: number) => -v : (v: number) => ~v;
  return { values: values.map(inverted), channels };
}

function withoutLast(values: Values): Values {
  const kept = values.slice(0, (values.length / 4) * 3);
  for (let i = 0, at = 0; i < kept.length; at += 4) {
    for (let c = 0; c < 3; c++) kept[i++] = values[at + c]!;
  }
  return kept;
}
