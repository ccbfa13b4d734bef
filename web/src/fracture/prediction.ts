// What the classifier says of one film, and why.

import { CLASSES, type Class, CLEAR_PART, type MapName, MAPS } from "./classes";
import type { Config } from "./config";
import type { Film, Notice } from "./film/film";
import { Letterbox } from "./film/letterbox";
import { type CellMap, FilmMap } from "./film/map";
import { decide, type Finding, grade, type Severity, summary } from "./finding";
import { findMarks, type Mark, shrunk } from "./marks";
import { percent, round } from "./numbers";

/** The JSON of Python's `Prediction.to_dict()`, keys in its order. */
export type Answer = Record<string, unknown>;

/** The network's outputs for one film. */
export interface Outputs {
  probabilities: Float32Array;
  /** Rows by columns of cells, one value for each of `MAPS`. */
  heatmaps: Float32Array;
  body_parts?: Float32Array;
  novelty: Float32Array;
}

// Below this share of the reference strength a map points nowhere in particular.
const FAINT = 0.1;
const UNLIKE: Notice = {
  code: "out_of_distribution",
  message:
    "This does not look like the limb radiographs the model was trained on; it gives " +
    "no finding, and its probabilities mean nothing here.",
};

/** What the classifier says of one film. */
export class Prediction {
  /** Calibrated, each in [0, 1], sum 1. */
  readonly probabilities: Record<Class, number>;
  readonly fractureProbability: number;
  /** Log-odds that this is no film the model knows; above 0 it is not judged. */
  readonly novelty: number;
  readonly bodyParts: Record<string, number>;
  readonly finding: Finding;
  readonly severity: Severity | null;
  /** Where a fracture may be, the surest first; none where no fracture was seen. */
  readonly marks: readonly Mark[];
  readonly location: string;
  /** Where the evidence peaks, in pixels of the film. */
  readonly peak: { x: number; y: number };
  private readonly maps: Record<MapName, CellMap>;

  constructor(
    readonly film: Film,
    outputs: Outputs,
    readonly config: Config,
  ) {
    const probabilities = CLASSES.map((name, i) => [name, outputs.probabilities[i]!]);
    this.probabilities = Object.fromEntries(probabilities) as Record<Class, number>;
    this.fractureProbability = 1 - this.probabilities.normal;
    this.novelty = outputs.novelty[0]! - config.noveltyThreshold;
    this.bodyParts = Object.fromEntries(
      config.bodyParts.map((part, i) => [part, outputs.body_parts![i]!]),
    );
    const points = config.operatingPoints;
    this.finding = decide(this.fractureProbability, this.novelty, points);
    this.severity = grade(this.finding, this.probabilities);
    this.maps = split(outputs.heatmaps, config.values.outputs["heatmaps"]!.shape);
    const evidence = new FilmMap(this.maps.fracture, this.box, config.heatmapGrid);
    const { x, y, value } = evidence.peak();
    this.peak = { x, y };
    this.location = describe(evidence, value, config.heatmapReference);
    const isMarked = this.finding === "uncertain" || this.finding === "fracture_suspected";
    this.marks = isMarked
      ? findMarks(
          this.box,
          this.maps.fracture,
          config.heatmapGrid,
          this.fractureProbability,
          config.marks,
        )
      : [];
  }

  get inDistribution(): boolean {
    return this.finding !== "not_judged";
  }

  /** The likeliest part; null where none is clear or the film is not judged. */
  get bodyPart(): string | null {
    let likeliest: [string | null, number] = [null, 0];
    for (const [part, probability] of Object.entries(this.bodyParts)) {
      if (likeliest[0] === null || probability > likeliest[1]) {
        likeliest = [part, probability];
      }
    }
    return likeliest[1] >= CLEAR_PART && this.inDistribution ? likeliest[0] : null;
  }

  /** Notices of the reader, and `out_of_distribution`. */
  get warnings(): Notice[] {
    return [...this.film.warnings, ...(this.inDistribution ? [] : [UNLIKE])];
  }

  get summary(): string {
    return summary(this.finding, this.severity);
  }

  get modelVersion(): string {
    return this.config.modelVersion;
  }

  /**
   * One map over the film, at most `side` pixels long, row by row, relative to the
   * strength of clear evidence: 0 to 1 and beyond.
   */
  strength(
    map: MapName,
    side: number,
  ): { values: Float32Array; width: number; height: number } {
    const box = shrunk(this.box, side);
    const drawn = new FilmMap(this.maps[map], box, this.config.heatmapGrid).draw();
    const values = drawn.map((value) => value / this.config.heatmapReference);
    return { values, width: box.width, height: box.height };
  }

  toDict(): Answer {
    const { film, config } = this;
    const six = (values: Record<string, number>) =>
      Object.fromEntries(Object.entries(values).map(([key, v]) => [key, round(v, 6)]));
    return {
      model_version: this.modelVersion,
      finding: this.finding,
      summary: this.summary,
      severity: this.severity,
      fracture_probability: round(this.fractureProbability, 6),
      probabilities: six(this.probabilities),
      rule_out_threshold: round(config.operatingPoints.rule_out, 6),
      rule_in_threshold: round(config.operatingPoints.rule_in, 6),
      location: this.location,
      peak_x: this.peak.x,
      peak_y: this.peak.y,
      marks: this.marks.map((mark) => ({ ...mark })),
      film_width: film.width,
      film_height: film.height,
      body_part: this.bodyPart,
      body_parts: six(this.bodyParts),
      in_distribution: this.inDistribution,
      novelty: round(this.novelty, 6),
      warnings: this.warnings.map((notice) => ({ ...notice })),
    };
  }

  private get box(): Letterbox {
    return new Letterbox(this.film.height, this.film.width, this.config.imageSize);
  }
}

/** Interleaved maps -> each by its name. */
function split(heatmaps: Float32Array, shape: number[]): Record<MapName, CellMap> {
  const [rows, columns] = shape as [number, number];
  const of = (map: number): CellMap => ({
    values: Float32Array.from({ length: rows * columns }, (_, cell) => {
      return heatmaps[cell * MAPS.length + map]!;
    }),
    rows,
    columns,
  });
  const named = MAPS.map((name, map) => [name, of(map)]);
  return Object.fromEntries(named) as Record<MapName, CellMap>;
}

/** Names the ninth of the film that holds most of the evidence. */
function describe(evidence: FilmMap, peak: number, reference: number): string {
  if (peak < FAINT * reference) {
    return "No region of the film stands out as evidence of a fracture.";
  }
  const sums = evidence.ninths();
  const most = Math.max(...sums);
  const ninth = sums.indexOf(most);
  const vertical = ["upper", "middle", "lower"][Math.floor(ninth / 3)]!;
  const horizontal = ["left", "centre", "right"][ninth % 3]!;
  const place = ninth === 4 ? "centre" : `${vertical} ${horizontal}`;
  const share = most / sums.reduce((sum, part) => sum + part, 0);
  return (
    `The ${place} of the film holds ${percent(share)} of the evidence that raised the ` +
    "fracture score."
  );
}
