// DICOM: a file's bytes -> its first frame, as displayed.
//
// Only technical elements are read, so no patient tag can be kept or logged.

import { checkSize, type Decoded, FilmError, type Notice, refuse } from "../film/film";
import { decode } from "./decode";
import { display } from "./display";
import type { Elements } from "./elements";
import { parse } from "./parse";

const MODALITIES = ["CR", "DX", "RG"]; // projection radiographs of bone

export async function readDicom(data: Uint8Array): Promise<Decoded> {
  const dicom = parse(data);
  const modality = dicom.code("Modality");
  if (dicom.text("Modality") && !MODALITIES.includes(modality)) {
    const message =
      `The modality is ${modality || "unknown"}; only plain radiographs ` +
      `(${MODALITIES.join(", ")}) are read.`;
    throw new FilmError("dicom_modality", message);
  }
  const pixels = dicom.element("PixelData");
  if (!pixels?.length) {
    const message = "The DICOM file has no image or ends before it; choose another.";
    throw new FilmError("no_pixels", message);
  }
  const [declared, ...more] = dicom.decimals("NumberOfFrames");
  if (more.length || !Number.isInteger(declared ?? 1)) throw new Error("frames");
  const frames = Math.max(1, declared ?? 1);
  const [rows, columns] = [dicom.count("Rows"), dicom.count("Columns")];
  checkSize(columns, rows, frames);
  const photometric = dicom.code("PhotometricInterpretation");
  const notices = tell(dicom, modality);
  const stored = dicom.count("BitsStored");
  const samples = dicom.count("SamplesPerPixel");
  const layout = {
    rows,
    columns,
    samples,
    allocated: dicom.count("BitsAllocated"),
    stored,
    isSigned: dicom.count("PixelRepresentation") === 1,
    frames,
  };
  if (samples !== 1 && samples !== 3) refuse("DICOM of so many samples");
  let values: Decoded["values"] = await decode(dicom, layout);
  if (samples === 1 && /^MONOCHROME[12]$/.test(photometric)) {
    values = display(values, dicom, notices);
  } else if (samples === 1) {
    const message = `${photometric || "Unknown"} pixels are not read; export grey ones.`;
    throw new FilmError("unsupported_pixels", message);
  }
  const facts: Decoded["facts"] = { format: "DICOM", bits: stored, frames };
  const words = { photometric, modality, body_part: dicom.code("BodyPartExamined") };
  for (const [name, word] of Object.entries(words)) if (word) facts[name] = word;
  return { values, width: columns, height: rows, channels: samples, notices, facts };
}

function tell(dicom: Elements, modality: string): Notice[] {
  const notices: Notice[] = [];
  const warn = (code: string, message: string) => notices.push({ code, message });
  if (!modality) {
    const message = "The file does not say its modality; make sure it is a radiograph.";
    warn("modality_missing", message);
  }
  if (dicom.code("PresentationIntentType") === "FOR PROCESSING") {
    const message = "These are raw detector values; send the FOR PRESENTATION image.";
    warn("for_processing", message);
  }
  if (dicom.code("BurnedInAnnotation") === "YES") {
    const message = "Text is burned into the pixels; see that it names no patient.";
    warn("burned_in_annotation", message);
  }
  return notices;
}
