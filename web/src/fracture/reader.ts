// One way in: a file's bytes -> a film.
//
// The format is told from the bytes, never from the name; sizes are checked on the
// header before anything is decoded; wide pixels are scaled, never clipped; what cannot
// be read is refused with a code and a sentence a person can act on.

import { readBmp, readJpeg, readWebp } from "./film/canvas";
import { type Decoded, type Film, FilmError, LOW_SIDE, MAX_BYTES, range } from "./film/film";
import { grey } from "./film/grey";
import { type Kind, sniff, text } from "./film/sniff";

export type Source = Blob | ArrayBuffer | Uint8Array;

// Decoders are loaded when a film needs them.
const READERS: Record<Kind, (data: Uint8Array) => Promise<Decoded>> = {
  PNG: async (data) => (await import("./film/png")).readPng(data),
  JPEG: readJpeg,
  TIFF: async (data) => (await import("./tiff/tiff")).readTiff(data),
  WEBP: readWebp,
  BMP: readBmp,
  DICOM: async (data) => (await import("./dicom/dicom")).readDicom(data),
};

/** Reads PNG, JPEG, TIFF, WebP, BMP or DICOM; throws `FilmError` and nothing else. */
export async function readFilm(file: Source): Promise<Film> {
  const data = await bytes(file);
  const kind = sniff(data);
  let decoded: Decoded;
  let found: { pixels: Uint8Array; coloured: boolean };
  try {
    decoded = await READERS[kind](data);
    found = grey(decoded);
  } catch (error) {
    throw error instanceof FilmError ? error : explain(error, kind, data);
  }
  const { pixels, coloured } = found;
  const { width, height, notices, facts } = decoded;
  const warnings = [...notices];
  const warn = (code: string, message: string) => warnings.push({ code, message });
  if (Number(facts["frames"]) > 1) warn("multiple_frames", "Only the first frame was read.");
  if (coloured) {
    warn("colour", "The picture has colours, which a film has not; is it a photo of one?");
  }
  const [least, most] = range(pixels);
  if (least === most) {
    warn("blank", "Every pixel has the same value; check that the film was exposed.");
  }
  if (Math.min(width, height) < LOW_SIDE) {
    const message = `${width} x ${height} pixels are few; a fine fracture may not show.`;
    warn("low_resolution", message);
  }
  return { pixels, width, height, warnings, metadata: { ...facts, width, height } };
}

async function bytes(file: Source): Promise<Uint8Array> {
  const size = file instanceof Blob ? file.size : file.byteLength;
  if (size === 0) throw new FilmError("empty_file", "The file is empty; export it again.");
  if (size > MAX_BYTES) {
    const message = `The file is over ${MAX_BYTES / 2 ** 20} MiB; send a single film.`;
    throw new FilmError("too_many_bytes", message);
  }
  try {
    if (file instanceof Blob) return new Uint8Array(await file.arrayBuffer());
    if (file instanceof ArrayBuffer) return new Uint8Array(file);
    // Node's Buffer is an array as well, whose slices are no copies.
    return new Uint8Array(file.buffer, file.byteOffset, file.byteLength);
  } catch {
    const message = "The file could not be read; check that it is open and permitted.";
    throw new FilmError("unreadable_file", message);
  }
}

/** Turns what a decoder threw into a `FilmError`. */
function explain(error: unknown, kind: Kind, data: Uint8Array): FilmError {
  const end = text(data, Math.max(0, data.length - 64), data.length);
  const isShort: Record<Kind, () => boolean> = {
    PNG: () => !end.includes("IEND"),
    JPEG: () => !end.includes("\xff\xd9"),
    WEBP: () => data.length < 8 + new DataView(data.buffer, data.byteOffset).getUint32(4, true),
    TIFF: () => false,
    BMP: () => error instanceof RangeError,
    DICOM: () => error instanceof RangeError,
  };
  if (isShort[kind]()) {
    const message = `The ${kind} file ends too early; copy or export it again.`;
    return new FilmError("truncated_file", message);
  }
  const message = `The ${kind} file is damaged or of a rare kind; export it again as PNG.`;
  return new FilmError("corrupt_file", message);
}
