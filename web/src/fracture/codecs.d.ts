// Types of what comes without any.

declare module "@cornerstonejs/codec-charls/decodewasmjs" {
  const make: unknown;
  export default make;
}
declare module "@cornerstonejs/codec-openjpeg/decodewasmjs" {
  const make: unknown;
  export default make;
}
declare module "*?url&no-inline" {
  const url: string;
  export default url;
}
declare module "jpeg-lossless-decoder-js" {
  export class Decoder {
    decode(buffer: ArrayBuffer, offset: number, length: number): Uint8Array | Uint16Array | null;
    readonly frame: { dimX: number; dimY: number; precision: number };
    readonly numComp: number;
    readonly yLoc: number;
  }
}
