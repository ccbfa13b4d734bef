// JPEG-LS, JPEG 2000 and lossless JPEG: decoders that are loaded when a film needs them.

import charlsUrl from "@cornerstonejs/codec-charls/decodewasm?url&no-inline";
import openjpegUrl from "@cornerstonejs/codec-openjpeg/decodewasm?url&no-inline";

import { download } from "../download";

/** Grey samples as a codestream holds them. */
export interface Coded {
  values: Uint8Array | Int8Array | Uint16Array | Int16Array;
  width: number;
  height: number;
  components: number;
  bits: number;
  isSigned: boolean;
}

/** What both WebAssembly decoders offer. */
interface Decoder {
  getEncodedBuffer(size: number): Uint8Array;
  getDecodedBuffer(): Uint8Array;
  getFrameInfo(): {
    width: number;
    height: number;
    bitsPerSample: number;
    componentCount: number;
    isSigned?: boolean;
  };
  decode(): void;
  delete(): void;
}
type Factory<Name extends string> = (options: {
  wasmBinary: Uint8Array;
  print(): void;
  printErr(): void;
}) => Promise<Record<Name, new () => Decoder>>;

const silent = { print() {}, printErr() {} };
let charls: Promise<Record<"JpegLSDecoder", new () => Decoder>> | undefined;
let openjpeg: Promise<Record<"J2KDecoder", new () => Decoder>> | undefined;

export async function decodeJpegLs(frame: Uint8Array): Promise<Coded> {
  charls ??= (async () => {
    const { default: make } = await import("@cornerstonejs/codec-charls/decodewasmjs");
    const wasmBinary = await download(new URL(charlsUrl, import.meta.url));
    return (make as Factory<"JpegLSDecoder">)({ wasmBinary, ...silent });
  })();
  return run(new (await charls).JpegLSDecoder(), frame);
}

export async function decodeJpeg2000(frame: Uint8Array): Promise<Coded> {
  openjpeg ??= (async () => {
    const { default: make } = await import("@cornerstonejs/codec-openjpeg/decodewasmjs");
    const wasmBinary = await download(new URL(openjpegUrl, import.meta.url));
    return (make as Factory<"J2KDecoder">)({ wasmBinary, ...silent });
  })();
  return run(new (await openjpeg).J2KDecoder(), frame);
}

export async function decodeLossless(frame: Uint8Array): Promise<Coded> {
  const { Decoder } = await import("jpeg-lossless-decoder-js");
  const decoder = new Decoder();
  const exact = frame.slice().buffer;
  const values = decoder.decode(exact, 0, exact.byteLength);
  const { dimX: width, dimY: height, precision: bits } = decoder.frame;
  if (!values || decoder.yLoc < height) throw new Error("too few pixels");
  return { values, width, height, components: decoder.numComp, bits, isSigned: false };
}

function run(decoder: Decoder, frame: Uint8Array): Coded {
  try {
    decoder.getEncodedBuffer(frame.length).set(frame);
    decoder.decode();
    const { width, height, bitsPerSample: bits, componentCount, isSigned = false } =
      decoder.getFrameInfo();
    const wide = bits > 8;
    // A copy: the decoder's memory goes with it.
    const { buffer } = decoder.getDecodedBuffer().slice();
    const values = isSigned
      ? new (wide ? Int16Array : Int8Array)(buffer)
      : new (wide ? Uint16Array : Uint8Array)(buffer);
    return { values, width, height, components: componentCount, bits, isSigned };
  } finally {
    decoder.delete();
  }
}
