// A DICOM file -> its elements, bounded.

import * as dicomParser from "dicom-parser";
import { type FlateError, FlateErrorCode, Inflate } from "fflate";

import { atMost, FilmError, MAX_BYTES } from "../film/film";
import { joined } from "../film/jpeg";
import { text } from "../film/sniff";
import { Elements } from "./elements";
import { BIG_ENDIAN, EXPLICIT, IMPLICIT, TAGS } from "./tags";

const MOST_READS = 50_000; // of two bytes; two for an element's tag
const MOST_VALUE = 2 ** 16; // bytes of any value but look-up tables and pixels
const MOST_TABLE = 2 ** 19;
const PIECE = 2 ** 14; // bytes, each of which may inflate to a thousand
const DEFLATED = "1.2.840.10008.1.2.1.99";

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
    checkForm(element, stream.position, isImplicit);
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

// All but those of 64 bits, which dicom-parser takes for shorter ones.
const VRS = new Set(
  "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OW PN SH SL SQ SS ST TM UC UI UL UN UR US UT"
    .split(" "),
);

/** Throws where an element is not what its header says: all after it would be guessed. */
function checkForm(element: dicomParser.Element, end: number, isImplicit: boolean): void {
  const { vr, tag, dataOffset, length, hadUndefinedLength } = element;
  if (!isImplicit && !VRS.has(vr!)) throw new Error("VR");
  const isLong = tag !== TAGS.PixelData && !hadUndefinedLength && end !== dataOffset + length;
  if (isLong) throw new Error("length");
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
