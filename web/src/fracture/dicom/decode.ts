// The first frame of a DICOM's pixels: stored values, signed and unused bits settled.

import { draw } from "../film/canvas";
import { atMost, FilmError, refuse } from "../film/film";
import { checkDeclared, joined, plainJpeg, walkJpeg } from "../film/jpeg";
import { type Coded, decodeJpeg2000, decodeJpegLs, decodeLossless } from "./codecs";
import type { Stored } from "./display";
import { BIG_ENDIAN, type Elements, EXPLICIT, IMPLICIT } from "./elements";
import { unpackRle } from "./rle";

const NATIVE = [IMPLICIT, EXPLICIT, BIG_ENDIAN];
const RLE = "1.2.840.10008.1.2.5";
const JPEG = "1.2.840.10008.1.2.4.";
// What Python's decoders know and those of a browser do not.
const FOREIGN: Record<string, string> = {
  "201": "High-Throughput JPEG 2000 Image Compression (Lossless Only)",
  "202":
    "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)",
  "203": "High-Throughput JPEG 2000 Image Compression",
};
const MOST_FRAGMENTS = 10_000;
const ITEM = 0xfffee000;

/** What a DICOM says of its pixels. */
export interface Layout {
  rows: number;
  columns: number;
  samples: number;
  allocated: number;
  stored: number;
  isSigned: boolean;
  frames: number;
}

/** Values row by row, three a pixel for RGB. */
export async function decode(dicom: Elements, layout: Layout): Promise<Stored> {
  const { syntax } = dicom;
  const name = syntax.startsWith(JPEG) ? syntax.slice(JPEG.length) : "";
  if (NATIVE.includes(syntax)) return native(dicom, layout);
  if (syntax === RLE) return runs(dicom, layout);
  if (["50", "51", "57", "70", "80", "81", "90", "91"].includes(name)) {
    return coded(dicom, layout, name);
  }
  const message = FOREIGN[name]
    ? needsDecoder(FOREIGN[name])
    : "This transfer syntax is not read; export the film uncompressed.";
  throw new FilmError("dicom_transfer_syntax", message);
}

function needsDecoder(syntax: string): string {
  return (
    `${syntax} needs a decoder that is not here; export the film uncompressed, or try ` +
    'pip install "fracture[dicom]".'
  );
}

function native(dicom: Elements, layout: Layout): Stored {
  const { rows, columns, samples, allocated, stored, frames } = layout;
  if (dicom.count("HighBit", stored - 1) !== stored - 1) {
    const message = "The stored bits are not the lowest ones; export the film again.";
    throw new FilmError("unsupported_pixels", message);
  }
  const bytes = dicom.bytes("PixelData");
  const size = (rows * columns * samples * allocated) / 8;
  const isHalved = dicom.code("PhotometricInterpretation") === "YBR_FULL_422";
  if (bytes.length < Math.floor((size * frames * (isHalved ? 2 / 3 : 1)))) {
    const message = "The DICOM file ends within its pixels; copy or export it again.";
    throw new FilmError("truncated_file", message);
  }
  const planes = samples > 1 && dicom.count("PlanarConfiguration", 0) === 1;
  if (samples > 1 && (allocated > 16 || !isRgb(dicom))) refuse("DICOM of this colour");
  if (!dicom.isLittle && allocated === 8) refuse("Big-endian DICOM of 8 bits");
  const values = settle(typed(bytes.subarray(0, size), layout, dicom.isLittle), layout);
  return planes ? interleaved(values, samples) : values;
}

function runs(dicom: Elements, layout: Layout): Stored {
  const { rows, columns, samples, allocated } = layout;
  if (samples > 1 && (allocated > 8 || !isRgb(dicom))) refuse("DICOM of this colour");
  const width = allocated / 8;
  const pixels = rows * columns;
  const planes = unpackRle(firstFrame(dicom, layout.frames), pixels, samples * width);
  const bytes = new Uint8Array(pixels * samples * width);
  planes.forEach((plane, i) => {
    const sample = Math.floor(i / width);
    const at = sample * width + width - 1 - (i % width); // little-endian
    for (let p = 0; p < pixels; p++) bytes[p * samples * width + at] = plane[p]!;
  });
  return settle(typed(bytes, layout, true), layout);
}

async function coded(dicom: Elements, layout: Layout, name: string): Promise<Stored> {
  const { rows, columns, samples, stored, isSigned } = layout;
  if (name === "51" && stored > 8) {
    const message = needsDecoder("JPEG Extended (Process 2 and 4)");
    throw new FilmError("dicom_transfer_syntax", message);
  }
  let frame = firstFrame(dicom, layout.frames);
  let found: Coded;
  if (name >= "90") {
    frame = codestream(frame, [rows, columns, samples]);
    if (samples > 1) refuse("Compressed colour in DICOM");
    found = await decodeJpeg2000(frame);
  } else {
    if (frame[0] !== 0xff || frame[1] !== 0xd8) throw new Error("no JPEG");
    const jpeg = walkJpeg(frame);
    checkDeclared([jpeg.height, jpeg.width, jpeg.components], [rows, columns, samples]);
    if (!jpeg.isWhole) throw new Error("no end of image");
    if (samples > 1) refuse("Compressed colour in DICOM");
    const isDrawn = [0xc0, 0xc1, 0xc2].includes(jpeg.process);
    const kinds: Record<string, boolean> = {
      "5": isDrawn || jpeg.process === 0xc3,
      "7": jpeg.process === 0xc3,
      "8": jpeg.process === 0xf7,
    };
    if (name >= "80" && jpeg.process === 0xf7) found = await decodeJpegLs(frame);
    else if (kinds[name[0]!] && jpeg.process === 0xc3 && name !== "50" && name !== "51") {
      found = await decodeLossless(frame);
    } else if ((name === "50" || name === "51") && isDrawn && jpeg.bits === 8) {
      const plain = plainJpeg(frame, jpeg);
      const values = await draw(plain, "image/jpeg", columns, rows, 1);
      found = { values, width: columns, height: rows, components: 1, bits: 8, isSigned: false };
    } else refuse("DICOM of this compression");
  }
  checkDeclared([found.height, found.width, found.components], [rows, columns, 1]);
  // Of signed samples decoders disagree where the codestream declares them otherwise.
  const isPlain = name === "57" || name === "70" ? found.bits >= stored : found.bits === stored;
  if (isSigned && !isPlain) refuse("DICOM of these bits");
  if (name >= "90" && found.isSigned !== isSigned) refuse("DICOM of these signs");
  const types = {
    8: isSigned ? Int8Array : Uint8Array,
    16: isSigned ? Int16Array : Uint16Array,
  };
  const allocated = found.bits > 8 ? 16 : 8;
  const values = new types[allocated](found.values.buffer as ArrayBuffer);
  return settle(values, { ...layout, allocated });
}

/** The codestream in a JPEG 2000 frame: SOC, SIZ (T.800 A.5.1), of the declared size. */
function codestream(frame: Uint8Array, declared: [number, number, number]): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  let start = frame.indexOf(0xff);
  while (start >= 0 && start + 42 <= frame.length && view.getUint32(start) !== 0xff4fff51) {
    start = frame.indexOf(0xff, start + 1);
  }
  if (start < 0 || start + 42 > frame.length) throw new Error("no codestream");
  const at = (offset: number) => view.getUint32(start + 8 + offset);
  const size: [number, number, number] = [at(4) - at(12), at(0) - at(8), view.getUint16(start + 40)];
  checkDeclared(size, declared);
  return frame.subarray(start);
}

/** The bytes of the first frame of encapsulated pixels (PS3.5 A.4). */
function firstFrame(dicom: Elements, frames: number): Uint8Array {
  const { data } = dicom;
  const { dataOffset, hadUndefinedLength } = dicom.element("PixelData")!;
  if (!hadUndefinedLength) throw new Error("not encapsulated");
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const items: { at: number; bytes: Uint8Array }[] = [];
  for (let at = dataOffset; ; ) {
    if (at + 8 > data.length) endsEarly();
    const tag = view.getUint16(at, true) * 65536 + view.getUint16(at + 2, true);
    if (tag !== ITEM) break;
    const length = view.getUint32(at + 4, true);
    if (at + 8 + length > data.length) endsEarly();
    items.push({ at, bytes: data.subarray(at + 8, at + 8 + length) });
    atMost("fragments", items.length - 1, MOST_FRAGMENTS);
    at += 8 + length;
  }
  const [table, ...fragments] = items;
  if (!table || !fragments.length) throw new Error("no fragments");
  const offsets = new DataView(table.bytes.buffer, table.bytes.byteOffset, table.bytes.length);
  let count = fragments.length;
  if (frames > 1 && table.bytes.length >= 8) {
    const second = fragments[0]!.at + offsets.getUint32(4, true);
    count = fragments.findIndex(({ at }) => at >= second);
  } else if (frames > 1) {
    if (fragments.length !== frames) refuse("DICOM with frames in unmarked pieces");
    count = 1;
  }
  if (count < 1) throw new Error("offsets");
  return joined(fragments.slice(0, count).map(({ bytes }) => bytes));
}

function endsEarly(): never {
  const message = "The DICOM file ends too early; copy or export it again.";
  throw new FilmError("truncated_file", message);
}

const isRgb = (dicom: Elements) => dicom.code("PhotometricInterpretation") === "RGB";

/** Bytes as values of the type that the elements declare. */
function typed(bytes: Uint8Array, layout: Layout, isLittle: boolean): Stored {
  const { allocated, isSigned } = layout;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Math.floor((bytes.length * 8) / allocated);
  if (allocated === 8) {
    const values = bytes.slice();
    return isSigned ? new Int8Array(values.buffer) : values;
  }
  if (allocated === 16) {
    const values = new (isSigned ? Int16Array : Uint16Array)(length);
    for (let i = 0; i < length; i++) values[i] = view.getUint16(i * 2, isLittle);
    return values;
  }
  if (allocated !== 32) refuse("DICOM of this many bits");
  const values = new (isSigned ? Int32Array : Uint32Array)(length);
  for (let i = 0; i < length; i++) values[i] = view.getUint32(i * 4, isLittle);
  return values;
}

/** Values whose unused high bits hold nothing but the sign. */
function settle(values: Stored, { allocated, stored }: Layout): Stored {
  if (stored > allocated || stored < 1) throw new Error("bits stored");
  const unused = allocated - stored;
  const isUnsigned = /^Uint/.test(values.constructor.name);
  const [left, right] = [32 - allocated + unused, 32 - stored];
  for (let i = 0; unused && i < values.length; i++) {
    const shifted = values[i]! << left;
    values[i] = isUnsigned ? shifted >>> right : shifted >> right;
  }
  return values;
}

function interleaved(values: Stored, samples: number): Stored {
  const made = values.slice();
  const pixels = values.length / samples;
  for (let i = 0; i < made.length; i++) {
    made[i] = values[(i % samples) * pixels + Math.floor(i / samples)]!;
  }
  return made;
}
