// Files told apart by their bytes, never by their names.

import { FilmError } from "./film";

export type Kind = "PNG" | "JPEG" | "TIFF" | "WEBP" | "BMP" | "DICOM";

const KNOWN: [string, Kind][] = [
  ["\x89PNG\r\n\x1a\n", "PNG"],
  ["\xff\xd8\xff", "JPEG"],
  ["II*\0", "TIFF"],
  ["MM\0*", "TIFF"],
  ["II+\0", "TIFF"], // BigTIFF
  ["MM\0+", "TIFF"],
];
const FOREIGN: Record<string, string> = {
  "%PDF": "a PDF document",
  GIF8: "a GIF",
  "PK\x03\x04": "a zip archive",
};

/** Bytes as Latin-1 text, to compare them with. */
export function text(data: Uint8Array, start: number, end: number): string {
  let written = "";
  // A function takes only so many arguments.
  for (let at = start; at < Math.min(end, data.length); at += 2 ** 12) {
    written += String.fromCharCode(...data.subarray(at, Math.min(end, at + 2 ** 12)));
  }
  return written;
}

/** Tells a file's format from its bytes; throws `unsupported_format`. */
export function sniff(data: Uint8Array): Kind {
  if (text(data, 128, 132) === "DICM") return "DICOM";
  const start = text(data, 0, 12);
  for (const [magic, kind] of KNOWN) if (start.startsWith(magic)) return kind;
  if (start.startsWith("RIFF") && start.slice(8) === "WEBP") return "WEBP";
  // Two letters alone could open a text; the zero bytes are reserved in every BMP.
  if (start.startsWith("BM") && start.slice(6, 10) === "\0\0\0\0") return "BMP";
  // Without its preamble DICOM starts at group 0002 or 0008, in either byte order.
  const first = start[0]! + (start[3] ?? "");
  if (first === "\x02\0" || first === "\x08\0" || start.startsWith("\0\x08\0")) {
    return "DICOM";
  }
  let what = FOREIGN[start.slice(0, 4)];
  const head = text(data, 0, 2048).toLowerCase();
  if (head.includes("<html") || head.includes("<!doctype html")) what = "a web page";
  else if (head.includes("<svg")) what = "a vector drawing (SVG)";
  else if (!what && /^[\x01-\x7f]*$/.test(head)) what = "text";
  const message =
    `The file is ${what ?? "of no known kind"}, not a film; ` +
    "send it as PNG, JPEG, TIFF or DICOM.";
  throw new FilmError("unsupported_format", message);
}
