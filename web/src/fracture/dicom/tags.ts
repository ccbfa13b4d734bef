// The elements that a film needs (PS3.6), and transfer syntaxes.

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

/** Kinds of value that an element of explicit kinds may have. */
export const KINDS: Partial<Record<Keyword, string>> = {
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
