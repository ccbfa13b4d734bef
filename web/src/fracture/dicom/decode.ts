// The first frame of a DICOM's pixels: stored values, signed and unused bits settled.

import { FilmError, refuse } from "../film/film";
import { decodeCoded, FAMILIES } from "./coded";
import type { Stored } from "./display";
import type { Elements } from "./elements";
import { firstFrame } from "./fragments";
import { unpackRle } from "./rle";
import { BIG_ENDIAN, EXPLICIT, IMPLICIT } from "./tags";

const NATIVE = [IMPLICIT, EXPLICIT, BIG_ENDIAN];
const RLE = "1.2.840.10008.1.2.5";
const JPEG = "1.2.840.10008.1.2.4.";
// What Python's decoders know and those of a browser do not.
const FOREIGN: Record<string, string> = {
  "51": "JPEG Extended (Process 2 and 4)",
  "201": "High-Throughput JPEG 2000 Image Compression (Lossless Only)",
  "202":
    "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)",
  "203": "High-Throughput JPEG 2000 Image Compression",
};

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
  if (![8, 16, 32].includes(layout.allocated)) refuse("DICOM of this many bits");
  if (NATIVE.includes(syntax)) return native(dicom, layout);
  if (syntax === RLE) return runs(dicom, layout);
  const family = FAMILIES[name];
  if (family && !(name === "51" && layout.stored > 8)) {
    const frame = firstFrame(dicom, layout.frames);
    const { values, bits } = await decodeCoded(frame, layout, family);
    const allocated = 8 * values.BYTES_PER_ELEMENT;
    return settle(values, { ...layout, allocated, stored: bits });
  }
  const message = FOREIGN[name]
    ? `${FOREIGN[name]} needs a decoder that is not here; export the film ` +
      'uncompressed, or try pip install "fracture[dicom]".'
    : "This transfer syntax is not read; export the film uncompressed.";
  throw new FilmError("dicom_transfer_syntax", message);
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
  if (bytes.length < Math.floor(size * frames * (isHalved ? 2 / 3 : 1))) {
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
  const values = new (isSigned ? Int32Array : Uint32Array)(length);
  for (let i = 0; i < length; i++) values[i] = view.getUint32(i * 4, isLittle);
  return values;
}

/** Values whose unused high bits hold nothing but the sign. */
function settle(values: Stored, { allocated, stored, isSigned }: Layout): Stored {
  if (stored > allocated || stored < 1) throw new Error("bits stored");
  const unused = allocated - stored;
  const shift = 32 - stored;
  for (let i = 0; unused && i < values.length; i++) {
    const shifted = values[i]! << shift;
    values[i] = isSigned ? shifted >> shift : shifted >>> shift;
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
