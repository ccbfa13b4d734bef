// DICOM's run lengths (PS3.5 G.3 to G.5).

import { atMost } from "../film/film";

const MOST_RUNS = 5_000_000;
const MOST_JUNK = 2 ** 16; // bytes beyond the picture

/**
 * The byte planes of a frame, highest first and sample by sample.
 *
 * Throws `too_many_parts` where runs unpack to more than the picture, or an error where
 * they unpack to less.
 */
export function unpackRle(frame: Uint8Array, pixels: number, planes: number): Uint8Array[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0, true) !== planes) throw new Error("segments");
  const starts = Array.from({ length: planes }, (_, i) => view.getUint32(4 + 4 * i, true));
  const ends = [...starts.slice(1), frame.length];
  let [steps, size] = [0, 0];
  return starts.map((start, plane) => {
    const bytes = new Uint8Array(pixels);
    const end = Math.min(ends[plane]!, frame.length);
    let filled = 0;
    for (let at = start; at < end; ) {
      const run = frame[at]!;
      steps++;
      if (run < 128) {
        bytes.set(frame.subarray(at + 1, Math.min(at + 2 + run, at + 1 + pixels - filled)), filled);
        filled = Math.min(pixels, filled + Math.min(run + 1, end - at - 1));
        size += run + 1;
        at += run + 2;
      } else if (run > 128) {
        const last = Math.min(pixels, filled + 257 - run);
        bytes.fill(frame[at + 1] ?? 0, filled, last);
        filled = last;
        size += 257 - run;
        at += 2;
      } else {
        at += 1;
      }
      atMost("runs", steps, MOST_RUNS);
      atMost("bytes in runs", size, pixels * planes + MOST_JUNK);
    }
    if (filled < pixels) throw new Error("too few pixels");
    return bytes;
  });
}
