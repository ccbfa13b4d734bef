// TIFF: its tags checked, then its strips or tiles put together (TIFF 6.0, BigTIFF).

import { Directories } from "../film/directories";
import { type Decoded, type Notice, refuse, type Values } from "../film/film";
import { turned, xmpOrientation } from "../film/turn";
import { COMPRESSIONS, unpredict } from "./blocks";
import { check, describe, INDEXED, type Layout, RGB, TAG, WHITE_IS_ZERO } from "./tags";

const MOST_FRAMES = 100;

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
    frames: countFrames(tags),
    photometric: whiteIsZero ? "MONOCHROME1" : isGrey ? "MONOCHROME2" : "RGB",
  };
  const { width, height } = layout;
  const [stated] = tags.values(TAG.ORIENTATION);
  const orientation = stated ?? xmpOrientation(tags.bytes(TAG.XMP));
  return turned({ ...film, width, height, notices, facts }, orientation);
}

/** Pages up to the first that holds no picture. */
function countFrames(tags: Directories): number {
  const isPicture = (page: number) =>
    [TAG.WIDTH, TAG.HEIGHT].every((tag) => tags.values(tag, page)[0]);
  let frames = 1;
  while (frames < MOST_FRAMES && isPicture(frames)) frames++;
  return frames;
}

/** All samples, pixel by pixel, as they are stored. */
function pixels(data: Uint8Array, tags: Directories, layout: Layout): Values {
  const { width, height, channels, bits } = layout;
  const first = (tag: number, missing: number) => tags.values(tag)[0] ?? missing;
  const isTiled = !tags.values(TAG.STRIP_OFFSETS).length;
  const offsets = tags.values(isTiled ? TAG.TILE_OFFSETS : TAG.STRIP_OFFSETS);
  const counts = tags.values(isTiled ? TAG.TILE_BYTES : TAG.STRIP_BYTES);
  const wide = isTiled ? first(TAG.TILE_WIDTH, 0) : width;
  const strip = Math.min(first(TAG.ROWS_PER_STRIP, height), height);
  const high = isTiled ? first(TAG.TILE_HEIGHT, 0) : strip;
  if (!(wide > 0 && high > 0)) throw new Error("no blocks");
  const isPlanar = first(TAG.PLANAR, 1) === 2 && channels > 1;
  const samples = isPlanar ? 1 : channels;
  const across = Math.ceil(width / wide);
  const blocks = across * Math.ceil(height / high);
  if (offsets.length !== blocks * (isPlanar ? channels : 1)) throw new Error("blocks");
  const compression = first(TAG.COMPRESSION, 1);
  const unpack = COMPRESSIONS[compression]!;
  const predictor = first(TAG.PREDICTOR, 1);
  const stride = Math.ceil((wide * samples * bits) / 8);
  const values = empty(layout, width * height * channels);
  for (const [block, start] of offsets.entries()) {
    const place = block % blocks;
    const left = (place % across) * wide;
    const top = Math.floor(place / across) * high;
    const rows = Math.min(high, height - top);
    const size = stride * (isTiled ? high : rows);
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
    const palette = tags.values(TAG.PALETTE);
    const entries = palette.length / 3;
    const made = new Uint8Array(values.length * 3);
    values.forEach((index, i) => {
      if (index >= entries) refuse("TIFF with colours that its palette lacks");
      for (let c = 0; c < 3; c++) made[i * 3 + c] = palette[c * entries + index]! >> 8;
    });
    return { values: made, channels: 3 };
  }
  if (photometric === RGB) {
    const isUnused = tags.values(TAG.EXTRA_SAMPLES)[0] === 0;
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
