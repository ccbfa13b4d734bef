// JPEG, WebP and BMP, decoded by the browser without its colour management.

import { readExif } from "./directories";
import { atMost, checkSize, type Decoded, refuse } from "./film";
import { joined, plainJpeg, walkJpeg } from "./jpeg";
import { text } from "./sniff";
import { turned, xmpOrientation } from "./turn";

const MOST_RIFF_CHUNKS = 5_000;
const MOST_RLE_BYTES = 2 ** 20; // of a BMP
const MOST_RLE_WIDTH = 2 ** 14; // pixels; one step may skip 255 rows
const BAND = 2 ** 22; // pixels drawn at a time

export async function readJpeg(data: Uint8Array): Promise<Decoded> {
  const jpeg = walkJpeg(data);
  const { width, height, components } = jpeg;
  checkSize(width, height);
  if (!jpeg.isWhole) throw new Error("no end of image");
  const isUsual = [0xc0, 0xc1, 0xc2].includes(jpeg.process) && jpeg.bits === 8;
  if (!isUsual || ![1, 3].includes(components)) refuse("JPEG of this rare kind");
  const channels = components;
  const values = await draw(plainJpeg(data, jpeg), "image/jpeg", width, height, channels);
  const photometric = channels === 1 ? "MONOCHROME2" : "RGB";
  const facts = { format: "JPEG", bits: 8, frames: 1, photometric };
  const film = { values, width, height, channels, notices: [], facts };
  return turned(film, jpeg.orientation);
}

export async function readWebp(data: Uint8Array): Promise<Decoded> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint32(4, true) + 8 > data.length) throw new Error("ends early");
  const sizes: [width: number, height: number][] = [];
  const kept: Uint8Array[] = [];
  let [chunks, frames] = [0, 0];
  let orientation: number | undefined;
  let xmp: Uint8Array | undefined;
  for (let at = 12; at + 8 <= data.length; ) {
    const name = text(data, at, at + 4);
    const length = view.getUint32(at + 4, true);
    const body = data.subarray(at + 8, at + 8 + length);
    atMost("chunks", ++chunks, MOST_RIFF_CHUNKS);
    const size = body.length < 10 ? undefined : canvasSize(name, body);
    if (size) {
      checkSize(...size);
      sizes.push(size);
    }
    if (name === "ANMF") frames++;
    if (name === "EXIF") orientation = readExif(body);
    else if (name === "XMP ") xmp = body;
    else if (name !== "ICCP") kept.push(data.slice(at, at + 8 + length + (length % 2)));
    at += 8 + length + (length % 2);
  }
  const [size] = sizes;
  if (!size) throw new Error("no picture");
  const head = kept[0]!;
  if (text(head, 0, 4) === "VP8X") head[8]! &= ~0b101100; // has no profile, EXIF or XMP
  const plain = joined([data.slice(0, 12), ...kept]);
  new DataView(plain.buffer).setUint32(4, plain.length - 8, true);
  const values = await draw(plain, "image/webp", ...size, 3);
  const facts = { format: "WEBP", bits: 8, frames: Math.max(1, frames), photometric: "RGB" };
  const [width, height] = size;
  const film = { values, width, height, channels: 3, notices: [], facts };
  return turned(film, orientation ?? xmpOrientation(xmp));
}

export async function readBmp(data: Uint8Array): Promise<Decoded> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const header = view.getUint32(14, true);
  const isOld = header === 12;
  const width = isOld ? view.getUint16(18, true) : view.getInt32(18, true);
  const height = Math.abs(isOld ? view.getUint16(20, true) : view.getInt32(22, true));
  const bits = view.getUint16(isOld ? 24 : 28, true);
  const compression = isOld ? 0 : view.getUint32(30, true);
  if (compression === 1 || compression === 2) {
    atMost("bytes of runs", data.length, MOST_RLE_BYTES);
    atMost("pixels a row in runs", width, MOST_RLE_WIDTH);
  }
  checkSize(width, height);
  if (compression !== 0 || ![1, 4, 8, 24].includes(bits)) refuse("BMP of this rare kind");
  const stride = Math.ceil((width * bits) / 32) * 4;
  if (view.getUint32(10, true) + stride * height > data.length) throw new RangeError("short");
  const isGrey = bits <= 8 && isRamp(view, 14 + header, bits, isOld ? 3 : 4);
  const channels = isGrey ? 1 : 3;
  const copy = Uint8Array.from(data);
  const values = await draw(copy, "image/bmp", width, height, channels);
  const photometric = isGrey ? "MONOCHROME2" : "RGB";
  const facts = { format: "BMP", bits: isGrey && bits === 1 ? 1 : 8, frames: 1, photometric };
  return { values, width, height, channels, notices: [], facts };
}

/** Whether a palette is the greys from black to white, one step after the other. */
function isRamp(view: DataView, at: number, bits: number, entry: number): boolean {
  const declared = entry === 4 ? view.getUint32(46, true) : 0;
  const colours = declared || 2 ** bits;
  for (let i = 0; i < colours; i++) {
    const grey = colours === 2 ? i * 255 : i;
    for (let c = 0; c < 3; c++) {
      if (view.getUint8(at + i * entry + c) !== grey) return false;
    }
  }
  return true;
}

/** Width and height (RFC 9649, 2.7.1 and 3.4; RFC 6386, 9.1). */
function canvasSize(name: string, body: Uint8Array): [number, number] | undefined {
  const little = (from: number, to: number) =>
    body.subarray(from, to).reduceRight((sum, byte) => sum * 256 + byte, 0);
  if (name === "VP8X") return [1 + little(4, 7), 1 + little(7, 10)];
  if (name === "VP8 ") return [little(6, 8) & 0x3fff, little(8, 10) & 0x3fff];
  if (name !== "VP8L") return undefined;
  const packed = little(1, 5);
  return [1 + (packed & 0x3fff), 1 + ((packed >>> 14) & 0x3fff)];
}

/** The pixels that the browser decodes; throws where it cannot, or where any is clear. */
export async function draw(
  data: Uint8Array<ArrayBuffer>,
  type: string,
  width: number,
  height: number,
  channels: number,
): Promise<Uint8Array> {
  if (typeof createImageBitmap === "undefined") refuse(`${type} outside a browser`);
  const bitmap = await createImageBitmap(new Blob([data], { type }), {
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
  try {
    if (bitmap.width !== width || bitmap.height !== height) throw new Error("other size");
    const rows = Math.min(height, Math.max(1, Math.floor(BAND / width)));
    const canvas = new OffscreenCanvas(width, rows);
    // Drawn by the processor, which rounds nothing; a graphics card may.
    const context = canvas.getContext("2d", { willReadFrequently: true })!;
    const values = new Uint8Array(width * height * channels);
    for (let y = 0, to = 0; y < height; y += rows) {
      const count = Math.min(rows, height - y);
      context.clearRect(0, 0, width, rows);
      context.drawImage(bitmap, 0, -y);
      const { data: drawn } = context.getImageData(0, 0, width, count);
      for (let at = 0; at < drawn.length; at += 4) {
        if (drawn[at + 3] !== 255) refuse("A picture with transparency");
        for (let c = 0; c < channels; c++) values[to++] = drawn[at + c]!;
      }
    }
    return values;
  } finally {
    bitmap.close();
  }
}
