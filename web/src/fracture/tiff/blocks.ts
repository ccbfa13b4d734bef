// A strip or tile of a TIFF: unpacked no further than its size, its prediction undone.
//
// Own code, for libraries unpack a block to whatever it holds: kilobytes to gigabytes.

import { Inflate } from "fflate";

import { refuse } from "../film/film";

type Unpack = (packed: Uint8Array, size: number) => Uint8Array;

/** By the number of the compression (TIFF 6.0, 8 to 13; Adobe's deflate). */
export const COMPRESSIONS: Record<number, Unpack> = {
  1: (packed) => packed,
  5: unpackLzw,
  8: inflate,
  32773: unpackBits,
  32946: inflate,
};

const PIECE = 4096; // bytes, each of which may inflate to a thousand

function inflate(packed: Uint8Array, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let filled = 0;
  const stream = new Inflate((block) => {
    bytes.set(block.subarray(0, size - filled), filled);
    filled = Math.min(size, filled + block.length);
  });
  // Past zlib's header of two bytes.
  for (let at = 2; at < packed.length && filled < size; at += PIECE) {
    stream.push(packed.subarray(at, at + PIECE));
  }
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const sum = adler32(bytes);
  // Writers may pad a block to an even length.
  const isRight = [4, 5].some((back) => sum === view.getUint32(packed.length - back));
  if (!isRight) throw new Error("checksum");
  return bytes.subarray(0, filled);
}

/** zlib's checksum (RFC 1950). */
function adler32(bytes: Uint8Array): number {
  let [low, high] = [1, 0];
  for (let at = 0; at < bytes.length; ) {
    // So many can be added before the sums no longer fit into 32 bits.
    for (const end = Math.min(bytes.length, at + 3800); at < end; at++) {
      low += bytes[at]!;
      high += low;
    }
    low %= 65521;
    high %= 65521;
  }
  return high * 65536 + low;
}

function unpackBits(packed: Uint8Array, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let filled = 0;
  for (let at = 0; at < packed.length && filled < size; ) {
    const run = packed[at++]!;
    if (run < 128) {
      const literal = packed.subarray(at, at + Math.min(run + 1, size - filled));
      bytes.set(literal, filled);
      filled += literal.length;
      at += run + 1;
    } else if (run > 128) {
      const end = Math.min(size, filled + 257 - run);
      bytes.fill(packed[at++]!, filled, end);
      filled = end;
    }
  }
  return bytes.subarray(0, filled);
}

const CLEAR = 256;
const END = 257;

/** LZW with its codes from the highest bit down (TIFF 6.0, 13). */
function unpackLzw(packed: Uint8Array, size: number): Uint8Array {
  if (packed[0] === 0 && packed[1]! & 1) refuse("TIFF with LZW of the old kind");
  const bytes = new Uint8Array(size);
  // A code stands for what some bytes of the output spell already.
  const starts = new Int32Array(4097);
  const lengths = new Int32Array(4097);
  let [next, width, filled, bits, held, last] = [258, 9, 0, 0, 0, -1];
  for (let at = 0; filled < size; ) {
    while (bits < width && at < packed.length) {
      held = ((held << 8) | packed[at++]!) & 0xffffff;
      bits += 8;
    }
    if (bits < width) break;
    bits -= width;
    const code = (held >>> bits) & (2 ** width - 1);
    if (code === END) break;
    if (code === CLEAR) {
      [next, width, last] = [258, 9, -1];
      continue;
    }
    if (code > next || (code === next && last < 0)) throw new Error("LZW code");
    const start = filled;
    if (last >= 0 && next < 4097) {
      // The last string and the first byte of this one, which follows it right away.
      starts[next] = start - last;
      lengths[next] = last + 1;
      next++;
    }
    if (code < CLEAR) {
      bytes[filled++] = code;
      last = 1;
    } else {
      last = lengths[code]!;
      for (let i = starts[code]!, end = i + last; i < end && filled < size; i++) {
        bytes[filled++] = bytes[i]!;
      }
    }
    if (next >= 2 ** width - 1 && width < 12) width++;
  }
  return bytes.subarray(0, filled);
}

/** A row whose samples were stored as differences (TIFF 6.0, 14; Technical Note 3). */
export function unpredict(
  row: Uint8Array,
  predictor: number,
  samples: number,
  { bits, format, isLittle }: { bits: number; format: number; isLittle: boolean },
): Uint8Array {
  if (predictor === 1) return row;
  const made = row.slice();
  const view = new DataView(made.buffer);
  if (predictor === 3 && format === 3) return floats(made, samples, bits / 8, isLittle);
  if (predictor !== 2 || bits < 8) throw new Error("predictor");
  const width = bits / 8;
  for (let at = samples * width; at < made.length; at += width) {
    const before = at - samples * width;
    if (width === 1) made[at] = made[at]! + made[before]!;
    else if (width === 2) {
      view.setUint16(at, view.getUint16(at, isLittle) + view.getUint16(before, isLittle), isLittle);
    } else {
      view.setUint32(at, view.getUint32(at, isLittle) + view.getUint32(before, isLittle), isLittle);
    }
  }
  return made;
}

/** Differences of bytes, the highest of all samples first. */
function floats(
  row: Uint8Array,
  samples: number,
  width: number,
  isLittle: boolean,
): Uint8Array {
  for (let at = samples; at < row.length; at++) row[at] = row[at]! + row[at - samples]!;
  const count = row.length / width;
  return row.map((_, at) => {
    const byte = at % width;
    return row[(isLittle ? width - 1 - byte : byte) * count + Math.floor(at / width)]!;
  });
}
