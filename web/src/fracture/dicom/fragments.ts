// The frames of encapsulated pixels (PS3.5 A.4).

import { atMost, FilmError, refuse } from "../film/film";
import { joined } from "../film/jpeg";
import type { Elements } from "./elements";

const MOST_FRAGMENTS = 10_000;
const ITEM = 0xfffee000;

/** The bytes of the first of so many frames. */
export function firstFrame(dicom: Elements, frames: number): Uint8Array {
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
