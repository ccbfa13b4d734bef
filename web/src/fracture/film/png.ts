// PNG: its chunks walked and checked, then those that make pixels decoded by fast-png.

import { decode } from "fast-png";
import { Unzlib } from "fflate";

import { readExif } from "./directories";
import { atMost, checkSize, type Decoded, type Notice, refuse } from "./film";
import { joined } from "./jpeg";
import { samples } from "./png_samples";
import { text } from "./sniff";
import { turned, xmpOrientation } from "./turn";

const MOST_CHUNKS = 50_000; // libpng writes one for each 8 KiB
const MOST_EXTRAS = 200; // chunks that hold no pixels; some inflate to a megabyte
const MOST_TEXT = 2 ** 20; // bytes that a text may inflate to
const MOST_STORED = 65_535; // bytes of a deflate block that is not compressed
const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

export function readPng(data: Uint8Array): Decoded {
  const header = data.subarray(16, 29);
  if (header.length < 13 || text(data, 12, 16) !== "IHDR") throw new Error("no header");
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  checkSize(width, height);
  const chunks = walk(data);
  const [depth, colourType] = [header[8]!, header[9]!];
  if (header[12] && depth < 8) refuse("Interlaced PNG of so few bits");
  const png = decode(plain(chunks, header, width, height));
  const { values, channels } = samples(png, colourType);
  const notices: Notice[] = [];
  if (channels > 2 && depth > 8) {
    const message = "16-bit colour was read at 8 bits; export grey to keep it all.";
    notices.push({ code: "reduced_depth", message });
  }
  // Grey with transparency is read as colour, unless alpha is as wide as the grey.
  const isGrey = channels === 1 || (channels === 2 && depth === 16);
  const facts = {
    format: "PNG",
    bits: depth,
    frames: frames(chunks),
    photometric: isGrey ? "MONOCHROME2" : "RGB",
  };
  const found = { values, width, height, channels, notices, facts };
  return turned(found, orientation(chunks));
}

interface Chunk {
  name: string;
  body: Uint8Array;
}

/** The chunks up to the end, their checksums verified. */
function walk(data: Uint8Array): Chunk[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const chunks: Chunk[] = [];
  let extras = 0;
  for (let at = 8; at + 8 <= data.length; ) {
    const length = view.getUint32(at);
    const name = text(data, at + 4, at + 8);
    const body = data.subarray(at + 8, at + 8 + length);
    chunks.push({ name, body });
    if (!["IDAT", "fcTL", "fdAT"].includes(name)) extras++;
    atMost("chunks", chunks.length, MOST_CHUNKS);
    atMost("chunks without pixels", extras, MOST_EXTRAS);
    at += 12 + length;
    if (at > data.length) break;
    const sum = crc32(data.subarray(at - length - 8, at - 4));
    if (sum !== view.getUint32(at - 4)) throw new Error("checksum");
    if (name === "IEND") return chunks;
  }
  throw new Error("no end");
}

/** The same picture without what is no pixel, and inflated no further than its size. */
function plain(
  chunks: Chunk[],
  header: Uint8Array,
  width: number,
  height: number,
): Uint8Array {
  const samples = [1, 0, 3, 1, 2, 0, 4][header[9]!] ?? 0;
  const bits = samples * header[8]!;
  const expected = header[12] ? interlaced(width, height, bits) : packed(width, height, bits);
  const inflated = inflate(chunks, expected);
  const kept = chunks.filter(
    ({ name }) => name === "PLTE" || (name === "tRNS" && header[9]! < 4),
  );
  const parts: Uint8Array[] = [Uint8Array.from(SIGNATURE)];
  const add = (name: string, body: Uint8Array) => {
    const head = new Uint8Array(8);
    new DataView(head.buffer).setUint32(0, body.length);
    head.set([...name].map((letter) => letter.charCodeAt(0)), 4);
    parts.push(head, body, new Uint8Array(4));
  };
  add("IHDR", header);
  for (const { name, body } of kept) add(name, body);
  add("IDAT", stored(inflated));
  add("IEND", new Uint8Array(0));
  return joined(parts);
}

/** The pixels' bytes, filters included; throws where there are too few. */
function inflate(chunks: Chunk[], expected: number): Uint8Array {
  const bytes = new Uint8Array(expected);
  let filled = 0;
  const stream = new Unzlib((block) => {
    bytes.set(block.subarray(0, expected - filled), filled);
    filled = Math.min(expected, filled + block.length);
  });
  for (const { name, body } of chunks) {
    if (filled === expected) break;
    if (name !== "IDAT") continue;
    // In pieces, for each may inflate to a thousand times its size.
    for (let at = 0; at < body.length && filled < expected; at += MOST_STORED) {
      stream.push(body.subarray(at, at + MOST_STORED));
    }
  }
  if (filled < expected) throw new Error("too few pixels");
  return bytes;
}

/** Bytes in zlib's format, not compressed: fast-png takes no others. */
function stored(bytes: Uint8Array): Uint8Array {
  const blocks = Math.max(1, Math.ceil(bytes.length / MOST_STORED));
  const made = new Uint8Array(2 + blocks * 5 + bytes.length + 4);
  made.set([0x78, 0x01]);
  for (let block = 0, at = 2; block < blocks; block++) {
    const part = bytes.subarray(block * MOST_STORED, (block + 1) * MOST_STORED);
    const length = part.length;
    const last = Number(block === blocks - 1);
    made.set([last, length & 255, length >> 8, ~length & 255, (~length >> 8) & 255], at);
    made.set(part, at + 5);
    at += 5 + length;
  }
  return made;
}

/** Bytes of rows with a filter's byte before each. */
function packed(width: number, height: number, bits: number): number {
  return width && height ? height * (1 + Math.ceil((width * bits) / 8)) : 0;
}

/** The same over the seven passes of Adam7: first pixel and steps, across and down. */
function interlaced(width: number, height: number, bits: number): number {
  const passes = ["0088", "4088", "0448", "2044", "0224", "1022", "0112"];
  return passes.reduce((sum, pass) => {
    const [x, y, dx, dy] = [...pass].map(Number) as [number, number, number, number];
    const [across, down] = [Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)];
    return sum + packed(across, down, bits);
  }, 0);
}

/** How many an animation has; a first picture that is none of its own counts, too. */
function frames(chunks: Chunk[]): number {
  const names = chunks.map(({ name }) => name);
  const control = chunks.find(({ name }) => name === "acTL")?.body;
  if (!control || names.indexOf("acTL") > names.indexOf("IDAT")) return 1;
  const count = new DataView(control.buffer, control.byteOffset).getUint32(0);
  const isApart = names.indexOf("fcTL") < 0 || names.indexOf("fcTL") > names.indexOf("IDAT");
  return count + Number(isApart);
}

/** What EXIF says, in a chunk or as ImageMagick writes it, or else XMP. */
function orientation(chunks: Chunk[]): number | undefined {
  const exif = chunks.findLast(({ name }) => name === "eXIf")?.body;
  const profile = written(chunks, "Raw profile type exif");
  const hex = profile && text(profile, 0, profile.length).split("\n").slice(3).join("");
  let found = exif && readExif(exif);
  if (hex && /^[0-9a-f]*$/i.test(hex)) {
    const bytes = hex.match(/../g)?.map((pair) => parseInt(pair, 16)) ?? [];
    const stated = readExif(Uint8Array.from(bytes));
    if (!exif) found = stated;
  }
  return found ?? xmpOrientation(written(chunks, "XML:com.adobe.xmp"));
}

/** What a text chunk of that keyword holds; throws where it inflates beyond reason. */
function written(chunks: Chunk[], keyword: string): Uint8Array | undefined {
  const chunk = chunks.findLast(
    ({ name, body }) =>
      /^(tEXt|zTXt|iTXt)$/.test(name) &&
      text(body, 0, keyword.length + 1) === `${keyword}\0`,
  );
  if (!chunk) return undefined;
  const { name, body } = chunk;
  let at = keyword.length + 1;
  if (name === "tEXt") return body.subarray(at);
  let isPacked = true;
  if (name === "iTXt") {
    isPacked = body[at] === 1;
    at = body.indexOf(0, body.indexOf(0, at + 2) + 1); // past language and translation
  }
  return isPacked ? inflateText(body.subarray(at + 1)) : body.subarray(at + 1);
}

function inflateText(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(MOST_TEXT);
  let filled = 0;
  const stream = new Unzlib((block) => {
    bytes.set(block, filled); // throws beyond the end
    filled += block.length;
  });
  for (let at = 0; at < body.length; at += 1024) {
    stream.push(body.subarray(at, at + 1024));
  }
  return bytes.subarray(0, filled);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = (byte >>> 1) ^ (byte & 1 ? 0xedb88320 : 0);
  return byte;
});

function crc32(data: Uint8Array): number {
  let sum = -1;
  for (let i = 0; i < data.length; i++) {
    sum = CRC_TABLE[(sum ^ data[i]!) & 255]! ^ (sum >>> 8);
  }
  return ~sum >>> 0;
}
