// TIFF and EXIF directories, walked before a library parses them (TIFF 6.0, BigTIFF).
//
// A tag of twelve bytes can claim the whole file as its value, thousands of tags can
// claim the same bytes, and directories can chain in a loop.

import { atMost } from "./film";
import { text } from "./sniff";

// Directories inside another one: EXIF, GPS, interoperability.
const INNER = [0x8769, 0x8825, 0xa005];
const MOST_DIRECTORIES = 400; // 100 pages are counted, each with its inner ones
const MOST_TAGS = 20_000;
const MOST_NUMBERS = 200_000;
export const SLACK = 2 ** 16; // bytes

// By field type (TIFF 6.0, 2): bytes, and what a value costs, in numbers.
const SIZES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8, 0];
const COSTS = [0, 0, 0, 1, 1, 100, 1, 0, 1, 1, 100, 1, 1, 1, 0, 0, 1, 1, 1, 0];
type Reader = (view: DataView, at: number, little: boolean) => number;
const READERS: Record<number, Reader> = {
  3: (view, at, little) => view.getUint16(at, little),
  4: (view, at, little) => view.getUint32(at, little),
  6: (view, at) => view.getInt8(at),
  8: (view, at, little) => view.getInt16(at, little),
  9: (view, at, little) => view.getInt32(at, little),
  11: (view, at, little) => view.getFloat32(at, little),
  12: (view, at, little) => view.getFloat64(at, little),
  13: (view, at, little) => view.getUint32(at, little),
  16: (view, at, little) => Number(view.getBigUint64(at, little)),
  17: (view, at, little) => Number(view.getBigInt64(at, little)),
  18: (view, at, little) => Number(view.getBigUint64(at, little)),
};

/** A tag's field type, number of values, and where they lie. */
interface Entry {
  kind: number;
  count: number;
  place: number;
}
type Page = Map<number, Entry>;

/** All directories of a TIFF file or of EXIF data, counted; the values of its pages. */
export class Directories {
  /** Pages in the order of their chain, from the first. */
  readonly pages: Page[] = [];
  /** Offset of the first directory, 0 if there is none. */
  readonly first: number;
  /** Where the first directory ends, perhaps beyond the data. */
  readonly end: number;
  /** Whether the first has a tag twice, of which readers take either. */
  readonly doubled: boolean;
  private readonly view: DataView;
  private readonly little: boolean;
  private readonly big: boolean;

  /** Throws `too_many_parts`. */
  constructor(data: Uint8Array) {
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.little = text(data, 0, 2) === "II";
    this.big = data[2] === 0x2b;
    const word = this.big ? 8 : 4;
    this.first = this.number(word, this.big ? 8 : 4);
    let end = this.first;
    let doubled = false;
    let tags = 0;
    let claimed = 0;
    let numbers = 0;
    const ahead: [start: number, isPage: boolean][] = [[this.first, true]];
    const seen = new Set([0]);
    while (ahead.length && seen.size <= MOST_DIRECTORIES) {
      const [start, isPage] = ahead.pop()!;
      if (seen.has(start)) continue;
      seen.add(start);
      const width = this.big ? 8 : 2;
      const count = this.number(width, start);
      tags += count;
      atMost("tags", tags, MOST_TAGS);
      const size = 4 + 2 * word;
      const table = start + width;
      const fits = Math.max(0, Math.min(count, Math.floor((data.length - table) / size)));
      const page: Page = new Map();
      for (let i = 0; i < fits; i++) {
        const at = table + i * size;
        const kind = Math.min(this.number(2, at + 2), 19);
        const values = this.number(word, at + 4);
        const length = SIZES[kind]! * values;
        const isOutside = length > word;
        claimed += isOutside ? length : 0;
        numbers += COSTS[kind]! * values;
        const inline = at + 4 + word;
        const place = isOutside ? this.number(word, inline) : inline;
        page.set(this.number(2, at), { kind, count: values, place });
      }
      atMost("bytes in tags", claimed, data.length + SLACK);
      atMost("numbers in tags", numbers, MOST_NUMBERS);
      const after = table + count * size;
      if (isPage) this.pages.push(page);
      if (seen.size === 2) [end, doubled] = [after, page.size < fits];
      ahead.push([this.number(word, after), isPage]);
      for (const tag of INNER) {
        const [inner] = this.read(page, tag);
        if (inner !== undefined) ahead.push([inner, false]);
      }
    }
    this.end = end;
    this.doubled = doubled;
  }

  /** The numbers of a tag of a page; none without it. */
  values(tag: number, page = 0): number[] {
    return this.read(this.pages[page] ?? new Map(), tag);
  }

  /** The bytes of a tag in the first page. */
  bytes(tag: number): Uint8Array {
    const { count, place } = this.pages[0]?.get(tag) ?? { count: 0, place: 0 };
    if (place + count > this.view.byteLength) return new Uint8Array(0);
    return new Uint8Array(this.view.buffer, this.view.byteOffset + place, count);
  }

  private read(page: Page, tag: number): number[] {
    const { kind, count, place } = page.get(tag) ?? { kind: 0, count: 0, place: 0 };
    const reader = READERS[kind];
    const size = SIZES[kind]!;
    if (!reader || place + count * size > this.view.byteLength) return [];
    const at = (_: unknown, i: number) => reader(this.view, place + i * size, this.little);
    return Array.from({ length: count }, at);
  }

  private number(width: number, at: number): number {
    const { view, little } = this;
    if (at + width > view.byteLength) return 0;
    if (width === 8) return Number(view.getBigUint64(at, little));
    return width === 4 ? view.getUint32(at, little) : view.getUint16(at, little);
  }
}

/** Throws where EXIF would cost more than any film's should; else its orientation. */
export function readExif(data: Uint8Array): number | undefined {
  const name = "Exif\0\0";
  atMost("EXIF headers", text(data, 0, 64).split(name).length - 1, 2);
  while (text(data, 0, 6) === name) data = data.subarray(6);
  return new Directories(data).values(0x0112)[0];
}
