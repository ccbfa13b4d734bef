// Stored DICOM values -> what the standard displays.
//
// The order is that of PS3.4 N.2: modality LUT, then VOI LUT or window, then the
// inversion that MONOCHROME1 or the presentation LUT shape asks for.

import { type Notice, range, toUint8 } from "../film/film";
import { rint } from "../numbers";
import type { Elements } from "./elements";
import type { Keyword } from "./tags";

export type Stored =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array;
type Limits = [low: number, high: number];

/**
 * Stored values -> 8 bits as the standard shows them, 0 black.
 *
 * What is shown depends on the value alone, so each is worked out once.
 */
export function display(stored: Stored, dicom: Elements, notices: Notice[]): Uint8Array {
  const [low, high] = range(stored);
  const span = high - low + 1;
  if (span > 2 ** 16) return show(stored, dicom, notices);
  const present = new Uint8Array(span);
  for (let i = 0; i < stored.length; i++) present[stored[i]! - low] = 1;
  const count = present.reduce((sum, isThere) => sum + isThere, 0);
  const levels = new (stored.constructor as new (length: number) => Stored)(count);
  for (let value = 0, i = 0; value < span; value++) {
    if (present[value]) levels[i++] = value + low;
  }
  const shown = show(levels, dicom, notices);
  const table = new Uint8Array(span);
  levels.forEach((level, i) => (table[level - low] = shown[i]!));
  const pixels = new Uint8Array(stored.length);
  for (let i = 0; i < pixels.length; i++) pixels[i] = table[stored[i]! - low]!;
  return pixels;
}

function show(stored: Stored, dicom: Elements, notices: Notice[]): Uint8Array {
  const isPadding = padding(stored, dicom);
  let values = Float64Array.from(stored);
  if (dicom.has("ModalityLUTSequence") && dicom.item("ModalityLUTSequence")) {
    [values] = lookUp(values, dicom, "ModalityLUTSequence");
  } else {
    const slope = single(dicom, "RescaleSlope") || 1;
    const intercept = single(dicom, "RescaleIntercept") || 0;
    values = values.map((value) => value * slope + intercept);
  }
  let limits: Limits | undefined;
  if (dicom.item("VOILUTSequence")) {
    let top: number;
    [values, top] = lookUp(values, dicom, "VOILUTSequence");
    limits = [0, top];
  } else {
    [values, limits] = windowed(values, dicom, notices);
  }
  const film = values.filter((_, i) => !isPadding(stored[i]!));
  let [low, high] = limits ?? range(film.length ? film : values);
  const isInverse = dicom.code("PresentationLUTShape") === "INVERSE";
  if (isInverse || dicom.code("PhotometricInterpretation") === "MONOCHROME1") {
    // Before rounding, so that a film and its inverted twin come out identical.
    values = values.map((value) => -value);
    [low, high] = [-high, -low];
  }
  const pixels = toUint8(values, low, high);
  // Around the film there is nothing, which is black.
  return pixels.map((pixel, i) => (isPadding(stored[i]!) ? 0 : pixel));
}

/** Tells stored values that are padding, not film (PS3.3 C.7.5.1.1.2). */
function padding(stored: Stored, dicom: Elements): (value: number) => boolean {
  const isSigned = dicom.count("PixelRepresentation", 0) === 1;
  const [first, ...more] = dicom.shorts("PixelPaddingValue", isSigned);
  if (first === undefined) return () => false;
  const [last = first, ...others] = dicom.shorts("PixelPaddingRangeLimit", isSigned);
  if (more.length || others.length) throw new Error("padding");
  // Some writers declare it unsigned over signed pixels: wrapped, it matches again.
  const ends = new (stored.constructor as new (values: number[]) => Stored)([first, last]);
  const [low, high] = range(ends);
  return (value) => value >= low && value <= high;
}

/** Values through a LUT, and the top of its range (PS3.3 C.11.1.1, C.11.2.1.1). */
function lookUp(
  values: Float64Array<ArrayBuffer>,
  dicom: Elements,
  keyword: Keyword,
): [Float64Array<ArrayBuffer>, number] {
  const lut = dicom.item(keyword)!;
  const isSigned = dicom.count("PixelRepresentation", 0) === 1;
  const [declared, first, bits, ...more] = lut.shorts("LUTDescriptor", isSigned);
  if (bits === undefined || more.length || declared! < 0) throw new Error("descriptor");
  const entries = declared || 2 ** 16;
  const bytes = lut.bytes("LUTData");
  const kind = lut.element("LUTData")?.vr;
  if (!lut.isImplicit && !["US", "OW", "OB"].includes(kind!)) throw new Error("LUT data");
  const isPacked = kind !== "US" && bits === 8 && bytes.length < 2 * entries;
  if (!isPacked && bytes.length % 2) throw new Error("LUT data");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Math.min(entries, isPacked ? bytes.length : bytes.length / 2);
  if (!length) throw new Error("LUT data");
  const table = Float64Array.from({ length }, (_, i) =>
    isPacked ? bytes[i]! : view.getUint16(i * 2, lut.isLittle),
  );
  // The declared depth is often 16 where 12 bits are used, which would show dark.
  const most = Math.max(...range(table));
  const top = most === 0 ? 0 : 2 ** (32 - Math.clz32(most)) - 1;
  const found = values.map((value) => {
    return table[Math.min(Math.max(rint(value) - first!, 0), length - 1)]!;
  });
  return [found, top];
}

/** The first window's values shown as black and as white (PS3.3 C.11.2.1.2). */
function windowed(
  values: Float64Array<ArrayBuffer>,
  dicom: Elements,
  notices: Notice[],
): [Float64Array<ArrayBuffer>, Limits | undefined] {
  const [center] = dicom.decimals("WindowCenter");
  const [width] = dicom.decimals("WindowWidth");
  const name = dicom.code("VOILUTFunction");
  if (center === undefined && width === undefined) return [values, undefined];
  if (center !== undefined && width !== undefined) {
    const [low, high] = [center - width / 2, center + width / 2];
    // C.11.2.1.3.1, C.11.2.1.3.2 and C.11.2.1.2.1; the tanh cannot overflow.
    if (name === "SIGMOID" && width > 0) {
      return [values.map((value) => Math.tanh((2 * (value - center)) / width)), [-1, 1]];
    }
    if (name === "LINEAR_EXACT" && width > 0) return [values, [low, high]];
    if (name !== "SIGMOID" && name !== "LINEAR_EXACT" && width >= 1) {
      return [values, [low, high - 1]];
    }
  }
  const message = "The display window is not valid; the whole range of values is shown.";
  notices.push({ code: "invalid_window", message });
  return [values, undefined];
}

/** The one value of a decimal string. */
function single(dicom: Elements, keyword: Keyword): number | undefined {
  const values = dicom.decimals(keyword);
  if (values.length > 1) throw new Error(keyword);
  return values[0];
}
