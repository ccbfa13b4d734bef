// JPEG streams walked part by part before a decoder sees them, so that they are few.

import { readExif } from "./directories";
import { atMost } from "./film";
import { text } from "./sniff";
import { xmpOrientation } from "./turn";

const MOST_SCANS = 100; // ten are usual, and each may cost what decoding costs
const MOST_SCANNED = 1e9; // pixels over all scans
const MOST_SEGMENTS = 1_000;
const MOST_TABLE_BYTES = 2 ** 20;
const MOST_JUNK = 2 ** 16; // bytes between segments

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const APP0 = 0xe0;
const APP1 = 0xe1;
const APP13 = 0xed;
const APP14 = 0xee;
const APP15 = 0xef;
const COM = 0xfe;
const XMP = "http://ns.adobe.com/xap/1.0/\0";

/** A marker's second byte, and where its parameters start and end. */
interface Segment {
  marker: number;
  start: number;
  end: number;
}

/** What a JPEG or JPEG-LS stream declares; its EXIF and XMP turns, where it has them. */
export interface Jpeg {
  /** Second byte of the start of frame: 0xc0 is baseline, 0xf7 JPEG-LS. */
  process: number;
  bits: number;
  height: number;
  width: number;
  components: number;
  /** Whether it goes on to its end of image. */
  isWhole: boolean;
  orientation: number | undefined;
  segments: Segment[];
}

/** Walks a stream (T.81 B.1); throws `too_many_parts`, or where it has no frame. */
export function walkJpeg(data: Uint8Array): Jpeg {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const segments: Segment[] = [];
  const exif: Uint8Array[] = [];
  let frame: Pick<Jpeg, "process" | "bits" | "height" | "width" | "components"> | undefined;
  let xmp: Uint8Array | undefined;
  let [scans, others, tables, junk, last, pixels] = [0, 0, 0, 0, 2, 0];
  let isWhole = false;
  for (let at = 2; !isWhole; ) {
    const found = nextMarker(data, at);
    if (found === undefined) break;
    const marker = data[found]!;
    let start = found + 1;
    at = start;
    if (marker !== SOI && marker !== EOI && at + 2 <= data.length) {
      at += Math.max(2, view.getUint16(at));
      start += 2;
    }
    segments.push({ marker, start, end: at });
    if (!scans) junk += Math.max(0, start - 4 - last);
    if (marker === SOS) scans++;
    else others++;
    if (isFrame(marker) && at - start >= 6 && start + 6 <= data.length) {
      const [height, width] = [view.getUint16(start + 1), view.getUint16(start + 3)];
      pixels = width * height;
      const [bits, components] = [data[start]!, data[start + 5]!];
      frame ??= { process: marker, bits, height, width, components };
    }
    if (marker === APP1 && text(data, start, start + 6) === "Exif\0\0") {
      exif.push(data.subarray(start + (exif.length ? 6 : 0), at));
    } else if (marker === APP1 && text(data, start, start + XMP.length) === XMP) {
      xmp = data.subarray(start + XMP.length, at);
    }
    const isTold = (APP0 <= marker && marker <= APP15 && marker !== APP13) || marker === COM;
    if (marker !== SOS && !isTold) tables += at - start;
    last = at;
    atMost("scans", scans, MOST_SCANS);
    atMost("pixels in all scans", scans * pixels, MOST_SCANNED);
    atMost("segments", others, MOST_SEGMENTS);
    atMost("bytes of tables", tables, MOST_TABLE_BYTES);
    atMost("bytes between segments", junk, MOST_JUNK);
    isWhole = marker === EOI && scans > 0;
  }
  if (!frame) throw new Error("no frame");
  const orientation = (exif.length ? readExif(joined(exif)) : undefined) ?? xmpOrientation(xmp);
  return { ...frame, isWhole, orientation, segments };
}

/** The stream without profiles, turns and comments: nothing but what makes pixels. */
export function plainJpeg(data: Uint8Array, { segments }: Jpeg): Uint8Array<ArrayBuffer> {
  const first = segments.findIndex(({ marker }) => marker === SOS);
  const kept = segments
    .slice(0, first)
    .filter(({ marker }) => marker < APP0 || marker === APP0 || marker === APP14)
    .map(({ start, end }) => data.subarray(start - 4, end));
  return joined([data.subarray(0, 2), ...kept, data.subarray(segments[first]!.start - 4)]);
}

export function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Start of frame, all coding processes (T.81 table B.1) and JPEG-LS (T.87). */
function isFrame(marker: number): boolean {
  return (
    marker === 0xf7 ||
    (0xc0 <= marker && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
  );
}

/**
 * Where the next marker's second byte is, past entropy-coded data, where 0xff is
 * followed by a zero, a restart marker or in JPEG-LS by less than 0x80.
 */
function nextMarker(data: Uint8Array, at: number): number | undefined {
  for (;;) {
    const found = data.indexOf(0xff, at);
    if (found < 0) return undefined;
    const next = data[found + 1] ?? 0;
    if ((0xc0 <= next && next <= 0xcf) || (0xd8 <= next && next <= 0xfe)) return found + 1;
    at = found + 1;
  }
}
