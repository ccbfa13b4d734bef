// A frame of a codestream: JPEG, JPEG-LS or JPEG 2000 -> its grey samples.

import { draw } from "../film/canvas";
import { FilmError, refuse } from "../film/film";
import { type Jpeg, plainJpeg, walkJpeg } from "../film/jpeg";
import { type Coded, decodeJpeg2000, decodeJpegLs, decodeLossless } from "./codecs";
import type { Stored } from "./display";

type Family = "drawn" | "lossless" | "jpeg-ls" | "jpeg-2000";

/** By the last number of a transfer syntax's UID. */
export const FAMILIES: Record<string, Family> = {
  "50": "drawn",
  "51": "drawn",
  "57": "lossless",
  "70": "lossless",
  "80": "jpeg-ls",
  "81": "jpeg-ls",
  "90": "jpeg-2000",
  "91": "jpeg-2000",
};
// Second byte of the start of frame (T.81 table B.1; T.87).
const PROCESSES = { drawn: [0xc0, 0xc1, 0xc2], lossless: [0xc3], "jpeg-ls": [0xf7] };
const SOS = 0xda;

/** What a DICOM says of a frame. */
interface Declared {
  rows: number;
  columns: number;
  samples: number;
  stored: number;
  isSigned: boolean;
}

/** Samples row by row, of the type that the DICOM declares, and how many bits count. */
export async function decodeCoded(
  frame: Uint8Array,
  declared: Declared,
  family: Family,
): Promise<{ values: Stored; bits: number }> {
  const { rows, columns, samples, stored, isSigned } = declared;
  let found: Coded;
  if (family === "jpeg-2000") {
    const stream = codestream(frame, declared);
    found = await decodeJpeg2000(stream);
  } else {
    if (frame[0] !== 0xff || frame[1] !== 0xd8) throw new Error("no JPEG");
    const jpeg = walkJpeg(frame);
    check([jpeg.height, jpeg.width, jpeg.components], declared);
    if (!jpeg.isWhole) throw new Error("no end of image");
    if (samples > 1 || !PROCESSES[family].includes(jpeg.process)) refuse("DICOM of this JPEG");
    found = await decodeJpeg(frame, jpeg, family);
  }
  check([found.height, found.width, found.components], { rows, columns, samples });
  if (family === "jpeg-2000" && found.isSigned !== isSigned) refuse("DICOM of these signs");
  // Signs stand where the codestream has its highest bit, be it above those declared.
  const bits = isSigned && family !== "lossless" ? found.bits : stored;
  const buffer = found.values.buffer as ArrayBuffer;
  const values =
    found.bits > 8
      ? new (isSigned ? Int16Array : Uint16Array)(buffer)
      : new (isSigned ? Int8Array : Uint8Array)(buffer);
  return { values, bits };
}

async function decodeJpeg(
  frame: Uint8Array,
  jpeg: Jpeg,
  family: "drawn" | "lossless" | "jpeg-ls",
): Promise<Coded> {
  const { width, height, bits } = jpeg;
  if (family === "drawn") {
    if (bits !== 8) refuse("DICOM of this JPEG");
    const values = await draw(plainJpeg(frame, jpeg), "image/jpeg", width, height, 1);
    return { values, width, height, components: 1, bits, isSigned: false };
  }
  // One scan to the end of image: a marker within it is damage that nothing else tells.
  const scan = jpeg.segments.findIndex(({ marker }) => marker === SOS);
  if (scan !== jpeg.segments.length - 2) throw new Error("damaged scan");
  return family === "lossless" ? decodeLossless(frame) : decodeJpegLs(frame);
}

/** The codestream in a JPEG 2000 frame: SOC, SIZ (T.800 A.5.1), of the declared size. */
function codestream(frame: Uint8Array, declared: Declared): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  let start = frame.indexOf(0xff);
  const last = frame.length - 42; // bytes of both, up to the components
  while (start >= 0 && start <= last && view.getUint32(start) !== 0xff4fff51) {
    start = frame.indexOf(0xff, start + 1);
  }
  if (start < 0 || start > last) throw new Error("no codestream");
  const at = (offset: number) => view.getUint32(start + 8 + offset);
  check([at(4) - at(12), at(0) - at(8), view.getUint16(start + 40)], declared);
  if (declared.samples > 1) refuse("Compressed colour in DICOM");
  return frame.subarray(start);
}

/** Throws `corrupt_file` unless a codestream is of the size that DICOM declares. */
function check(
  [rows, columns, samples]: [number, number, number],
  declared: { rows: number; columns: number; samples: number },
): void {
  const { rows: high, columns: wide, samples: deep } = declared;
  if (rows !== high || columns !== wide || samples !== deep) {
    const message = "The compressed image is not of the declared size; export it again.";
    throw new FilmError("corrupt_file", message);
  }
}
