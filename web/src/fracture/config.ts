// config.json of a weights folder, checked as Python checks it.

import { CLASSES, MAPS } from "./classes";
import { FilmError } from "./film/film";
import type { Place } from "./film/map";

export const CONFIG_FILE = "config.json";
export const MODEL_FILE = "model.onnx";
export const MOST_CONFIG = 2 ** 20; // bytes
const MARKS = { side: 0.09, least: 0.3 }; // what weights do not say
const MOST_PARTS = 64;

type Test = (value: unknown) => boolean;
type Dict = Record<string, unknown>;

const isDict = (value: unknown): value is Dict =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const number =
  (least: number, most: number): Test =>
  (value) =>
    typeof value === "number" && least <= value && value <= most;
const words =
  (pattern: RegExp): Test =>
  (value) =>
    typeof value === "string" && pattern.test(value);
const exactly =
  (wanted: unknown): Test =>
  (value) =>
    JSON.stringify(value) === JSON.stringify(wanted);
const python = (names: readonly string[]) => `[${names.map((n) => `'${n}'`).join(", ")}]`;

const isSquare: Test = (value) =>
  Array.isArray(value) &&
  Number.isInteger(value[0]) &&
  number(32, 4096)(value[0]) &&
  exactly([value[0], value[0], 1])(value);
const isOutputs: Test = (value) =>
  isDict(value) &&
  Object.values(value).every(
    (output) =>
      isDict(output) &&
      Array.isArray(output["shape"]) &&
      output["shape"].every((n) => Number.isInteger(n) && 0 < n && n <= 512),
  );
const isParts: Test = (value) =>
  Array.isArray(value) &&
  value.every(words(/^[a-z][a-z_-]{0,30}$/)) &&
  value.length === new Set(value).size &&
  value.length <= MOST_PARTS;
const isMarks: Test = (value) =>
  value === undefined ||
  value === null ||
  (isDict(value) &&
    exactly(Object.keys(MARKS).sort())(Object.keys(value).sort()) &&
    Object.values(value).every(number(1e-3, 1)));
const isPoints: Test = (value) => {
  if (!isDict(value)) return false;
  if (!exactly(["rule_in", "rule_out"])(Object.keys(value).sort())) return false;
  const measured = Object.values(value).every(
    (point) =>
      isDict(point) &&
      number(0, 1)(point["threshold"]) &&
      Object.values(point).every((v) => v === null || number(0, 2 ** 53)(v)),
  );
  const { rule_out, rule_in } = value as Record<string, { threshold: number }>;
  return measured && rule_out!.threshold <= rule_in!.threshold;
};

/** What it must hold: where, in words, and the test of it. */
const SCHEMA: [keys: string[], wanted: string, fits: Test][] = [
  [["format"], "2", exactly(2)],
  [["name"], "a name of letters, digits, . - and _", words(/^[\p{L}\p{N}_.-]{1,100}$/u)],
  [["version"], "a version", words(/^[\p{L}\p{N}_.+-]{1,100}$/u)],
  [["classes"], python(CLASSES), exactly(CLASSES)],
  [["maps"], python(MAPS), exactly(MAPS)],
  [["input", "shape"], "[side, side, 1]", isSquare],
  [["outputs"], "names with shapes", isOutputs],
  [["body_parts"], `up to ${MOST_PARTS} different names in small letters`, isParts],
  [["out_of_distribution", "threshold"], "log-odds", number(-1e6, 1e6)],
  [["operating_points"], "thresholds 0 <= rule_out <= rule_in <= 1", isPoints],
  [["heatmap_grid", "first"], "pixels from 0 on", number(0, 4096)],
  [["heatmap_grid", "step"], "pixels from 1 on", number(1, 4096)],
  [["heatmap_reference"], "a positive number", number(1e-9, 1e9)],
  [["marks"], "side, least, each from 0.001 to 1", isMarks],
  [["files", MODEL_FILE], "a sha256 in hex digits", words(/^[0-9a-f]{64}$/)],
];

/** One operating point: its threshold, and what it did on films held out. */
export interface OperatingPoint {
  threshold: number;
  sensitivity?: number | null;
  specificity?: number | null;
}

/** The parts of config.json that serving needs. */
interface ConfigFile {
  name: string;
  version: string;
  input: { shape: [number, number, number] };
  outputs: Record<string, { shape: number[] }>;
  body_parts: string[];
  out_of_distribution: { threshold: number };
  operating_points: Record<"rule_out" | "rule_in", OperatingPoint>;
  heatmap_grid: Place;
  heatmap_reference: number;
  marks?: { side: number; least: number } | null;
  files: Record<string, string>;
}

/** config.json of a weights folder, checked. */
export class Config {
  private constructor(
    /** The whole file. */
    readonly values: ConfigFile & Record<string, unknown>,
  ) {}

  /** Throws `weights_config`. */
  static parse(json: string): Config {
    let values: unknown;
    try {
      if (json.length > MOST_CONFIG) throw new Error("it is too large");
      values = JSON.parse(json);
    } catch (error) {
      const message = `${CONFIG_FILE} is not valid JSON: ${(error as Error).message}`;
      throw new FilmError("weights_config", message);
    }
    for (const [keys, wanted, fits] of SCHEMA) {
      const value = keys.reduce<unknown>(
        (part, key) => (isDict(part) ? part[key] : undefined),
        values,
      );
      if (!fits(value)) {
        const message = `${CONFIG_FILE}: ${keys.join(" ")} must be ${wanted}`;
        throw new FilmError("weights_config", message);
      }
    }
    return new Config(values as ConfigFile & Record<string, unknown>);
  }

  /** Side of the square the network takes, in pixels. */
  get imageSize(): number {
    return this.values.input.shape[0];
  }

  /** Map strength of clear evidence, log-odds per cell. */
  get heatmapReference(): number {
    return this.values.heatmap_reference;
  }

  /** Centre of a map's first cell, and cell to cell; pixels of the square. */
  get heatmapGrid(): Place {
    return this.values.heatmap_grid;
  }

  /** How marks are read from the map. */
  get marks(): { side: number; least: number } {
    return { ...MARKS, ...this.values.marks };
  }

  /** Thresholds of the fracture probability. */
  get operatingPoints(): { rule_out: number; rule_in: number } {
    const { rule_out, rule_in } = this.values.operating_points;
    return { rule_out: rule_out.threshold, rule_in: rule_in.threshold };
  }

  /** Log-odds of being no such film above which a film is not judged. */
  get noveltyThreshold(): number {
    return this.values.out_of_distribution.threshold;
  }

  /** The body parts that the model names, in the order of that output. */
  get bodyParts(): readonly string[] {
    return this.values.body_parts;
  }

  /** `name-version+checksum`, the checksum being that of the model file. */
  get modelVersion(): string {
    const { name, version, files } = this.values;
    return `${name}-${version}+${files[MODEL_FILE]!.slice(0, 12)}`;
  }
}
