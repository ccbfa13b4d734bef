// A DICOM file's elements, and of their values only those that a film needs.

import * as dicomParser from "dicom-parser";
import { type FlateError, FlateErrorCode, Inflate } from "fflate";

import { atMost, FilmError, MAX_BYTES } from "../film/film";
import { joined } from "../film/jpeg";
import { text } from "../film/sniff";

const MOST_READS = 50_000; // of two bytes; two for an element's tag
const MOST_VALUE = 2 ** 16; // bytes of any value but look-up tables and pixels
const MOST_TABLE = 2 ** 19;
const PIECE = 2 ** 14; // bytes, each of which may inflate to a thousand
const DEFLATED = "1.2.840.10008.1.2.1.99";

export const IMPLICIT = "1.2.840.10008.1.2";
export const EXPLICIT = "1.2.840.10008.1.2.1";
export const BIG_ENDIAN = "1.2.840.10008.1.2.2";

/** Tags of the elements that are read; of all others no value is. */
export const TAGS = {
  SOPClassUID: "x00080016",
  Modality: "x00080060",
  BodyPartExamined: "x00180015",
  PresentationIntentType: "x00080068",
  BurnedInAnnotation: "x00280301",
  SamplesPerPixel: "x00280002",
  PhotometricInterpretation: "x00280004",
  PlanarConfiguration: "x00280006",
  NumberOfFrames: "x00280008",
  Rows: "x00280010",
  Columns: "x00280011",
  BitsAllocated: "x00280100",
  BitsStored: "x00280101",
  HighBit: "x00280102",
  PixelRepresentation: "x00280103",
  PixelPaddingValue: "x00280120",
  PixelPaddingRangeLimit: "x00280121",
  WindowCenter: "x00281050",
  WindowWidth: "x00281051",
  RescaleIntercept: "x00281052",
  RescaleSlope: "x00281053",
  VOILUTFunction: "x00281056",
  ModalityLUTSequence: "x00283000",
  LUTDescriptor: "x00283002",
  LUTData: "x00283006",
  VOILUTSequence: "x00283010",
  PresentationLUTShape: "x20500020",
  PixelData: "x7fe00010",
} as const;
export type Keyword = keyof typeof TAGS;

const KINDS: Partial<Record<Keyword, string>> = {
  NumberOfFrames: "IS",
  WindowCenter: "DS",
  WindowWidth: "DS",
  RescaleIntercept: "DS",
  RescaleSlope: "DS",
  PixelPaddingValue: "US SS",
  PixelPaddingRangeLimit: "US SS",
  LUTDescriptor: "US SS",
};
const COUNTS: Keyword[] = [
  "SamplesPerPixel",
  "PlanarConfiguration",
  "Rows",
  "Columns",
  "BitsAllocated",
  "BitsStored",
  "HighBit",
  "PixelRepresentation",
];
for (const keyword of COUNTS) KINDS[keyword] = "US";

/** Reads no further than so many steps, wherever they lead. */
class Metered extends dicomParser.ByteStream {
  private reads = 0;

  constructor(data: Uint8Array, position: number, isLittle = true) {
    const { littleEndianByteArrayParser, bigEndianByteArrayParser } = dicomParser;
    super(isLittle ? littleEndianByteArrayParser : bigEndianByteArrayParser, data, position);
    const readUint16 = this.readUint16;
    this.readUint16 = () => {
      atMost("elements", ++this.reads, MOST_READS * 2);
      return readUint16.call(this);
    };
  }
}

/** The elements of a data set or of an item of a sequence. */
export class Elements {
  constructor(
    readonly data: Uint8Array,
    readonly syntax: string,
    readonly isImplicit: boolean,
    readonly isLittle: boolean,
    private readonly elements: Record<string, dicomParser.Element>,
  ) {}

  has(keyword: Keyword): boolean {
    return TAGS[keyword] in this.elements;
  }

  /** A value's bytes, none without it. */
  bytes(keyword: Keyword): Uint8Array {
    const element = this.element(keyword);
    if (!element || element.hadUndefinedLength) return new Uint8Array(0);
    return this.data.subarray(element.dataOffset, element.dataOffset + element.length);
  }

  element(keyword: Keyword): dicomParser.Element | undefined {
    return this.elements[TAGS[keyword]];
  }

  /** Text without the padding at its end. */
  text(keyword: Keyword): string {
    const bytes = this.bytes(keyword);
    return text(bytes, 0, bytes.length).replace(/[\0 ]+$/, "");
  }

  /** A code string (PS3.5 6.2); "" where the file holds anything else. */
  code(keyword: Keyword): string {
    const value = this.text(keyword);
    return /^[A-Z0-9_ ]{1,16}$/.test(value) ? value : "";
  }

  /** Decimal or integer strings; NaN for an empty one, none without it. */
  decimals(keyword: Keyword): number[] {
    this.checkKind(keyword);
    const value = this.text(keyword);
    if (!this.has(keyword) || value === "") return [];
    return value.split("\\").map((part) => {
      const trimmed = part.trim();
      if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed)) throw new Error("number");
      return Number(trimmed);
    });
  }

  /** A number of 16 bits, as its representation or the pixels' has them. */
  shorts(keyword: Keyword, isSigned = false): number[] {
    this.checkKind(keyword);
    const bytes = this.bytes(keyword);
    if (bytes.length % 2) throw new Error("length");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const vr = this.isImplicit ? (isSigned ? "SS" : "US") : this.element(keyword)?.vr;
    return Array.from({ length: bytes.length / 2 }, (_, i) =>
      vr === "SS" ? view.getInt16(i * 2, this.isLittle) : view.getUint16(i * 2, this.isLittle),
    );
  }

  /** An unsigned number that must be there. */
  count(keyword: Keyword, missing?: number): number {
    const values = this.has(keyword) ? this.shorts(keyword) : [];
    const value = values.length ? values[0] : missing;
    if (value === undefined || values.length > 1) throw new Error(keyword);
    return value;
  }

  /** The first item of a sequence. */
  item(keyword: Keyword): Elements | undefined {
    const items = this.element(keyword)?.items;
    const inner = items?.[0]?.dataSet?.elements;
    const { data, syntax, isImplicit, isLittle } = this;
    return inner && new Elements(data, syntax, isImplicit, isLittle, inner);
  }

  private checkKind(keyword: Keyword): void {
    const kind = this.element(keyword)?.vr;
    if (!this.isImplicit && kind && !KINDS[keyword]?.includes(kind)) throw new Error(kind);
  }
}

/** Parses a file with its preamble or, if its elements make sense, without. */
export function parse(data: Uint8Array): Elements {
  const hasPreamble = text(data, 128, 132) === "DICM";
  let found: Elements | undefined;
  try {
    found = read(data, hasPreamble ? 132 : 0);
  } catch (error) {
    if (hasPreamble || (error instanceof FilmError && error.code === "too_many_parts")) {
      throw error;
    }
  }
  const isNamed = found && (found.has("SOPClassUID") || found.has("Modality"));
  const isImage = found && found.has("Rows") && found.has("Columns");
  if (found && (hasPreamble || (isNamed && isImage))) return found;
  const message = "The file is of no known kind; send it as PNG, JPEG, TIFF or DICOM.";
  throw new FilmError("unsupported_format", message);
}

function read(file: Uint8Array, position: number): Elements {
  let data = file;
  let stream = new Metered(data, position);
  let stated: string | undefined;
  while (stream.position + 8 <= data.length && data[stream.position] === 2) {
    if (data[stream.position + 1] !== 0) break;
    const { tag, dataOffset, length } = dicomParser.readDicomElementExplicit(stream);
    if (tag === "x00020010") {
      stated = text(data, dataOffset, dataOffset + length).replace(/[\0 ]+$/, "");
    }
  }
  let start = stream.position;
  if (stated === DEFLATED) {
    data = inflate(data.subarray(start));
    start = 0;
  }
  const { isImplicit, isLittle } = encoding(data, start, stated);
  const native = isImplicit ? IMPLICIT : isLittle ? EXPLICIT : BIG_ENDIAN;
  stream = new Metered(data, start, isLittle);
  const elements: Record<string, dicomParser.Element> = {};
  let isSkipped = false;
  while (stream.position < data.length) {
    const element = isImplicit
      ? dicomParser.readDicomElementImplicit(stream, TAGS.PixelData)
      : dicomParser.readDicomElementExplicit(stream, [], TAGS.PixelData);
    if (element.tag > TAGS.PixelData) break;
    isSkipped = !WANTED.has(element.tag);
    checkLength(element);
    elements[element.tag] = element;
    if (element.tag === TAGS.PixelData) break;
  }
  // A value that is read may be short; who reads it tells.
  if (isSkipped && stream.position > data.length) {
    const message = "The DICOM file ends too early; copy or export it again.";
    throw new FilmError("truncated_file", message);
  }
  const syntax = stated === undefined || stated === DEFLATED ? native : stated;
  return new Elements(data, syntax, isImplicit, isLittle, elements);
}

/** How a data set is written: what is stated, or else what its first element shows. */
function encoding(data: Uint8Array, start: number, stated: string | undefined) {
  const looksExplicit = /^[A-Z]{2}$/.test(text(data, start + 4, start + 6));
  if (stated === undefined) {
    // Read as little-endian, a group of big-endian ones is 1024 or more.
    const isLittle = !looksExplicit || data[start + 1]! < 4;
    return { isImplicit: !looksExplicit, isLittle };
  }
  return { isImplicit: !looksExplicit, isLittle: stated !== BIG_ENDIAN };
}

const WANTED = new Set<string>(Object.values(TAGS));
const TABLES: string[] = [TAGS.ModalityLUTSequence, TAGS.VOILUTSequence];

function checkLength({ tag, length, hadUndefinedLength }: dicomParser.Element): void {
  if (!WANTED.has(tag) || tag === TAGS.PixelData || hadUndefinedLength) return;
  atMost("bytes", length, TABLES.includes(tag) ? MOST_TABLE : MOST_VALUE);
}

/** A deflated data set (PS3.5 A.5); throws where it is too large or does not end. */
function inflate(packed: Uint8Array): Uint8Array {
  const blocks: Uint8Array[] = [];
  let length = 0;
  let isEnded = false;
  const stream = new Inflate((block, isFinal) => {
    blocks.push(block);
    length += block.length;
    isEnded ||= isFinal;
    if (length > MAX_BYTES) {
      const message = `The data set inflates to over ${MAX_BYTES / 2 ** 20} MiB.`;
      throw new FilmError("too_many_bytes", message);
    }
  });
  try {
    for (let at = 0; at < packed.length; at += PIECE) {
      stream.push(packed.subarray(at, at + PIECE), at + PIECE >= packed.length);
    }
  } catch (error) {
    const isShort = (error as FlateError).code === FlateErrorCode.UnexpectedEOF;
    throw isShort ? new RangeError("ends early") : error;
  }
  if (!isEnded) throw new RangeError("ends early");
  return joined(blocks);
}
