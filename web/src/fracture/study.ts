// Several views of one patient: a finding for the study, as clinicians read.
//
// The rule is the most suspicious view; fracture/study.py says why.

import type { Config } from "./config";
import { FilmError, type Notice } from "./film/film";
import { type Finding, type Severity, summary } from "./finding";
import { percent, round } from "./numbers";
import type { Answer, Prediction } from "./prediction";

export const RULE =
  "The study takes the finding of its most suspicious view; no fracture is seen only " +
  "when every view was judged and none shows one.";

/** The views of one patient and what they say together. */
export class Study {
  readonly finding: Finding;
  /** The worst that a suspected view shows. */
  readonly severity: Severity | null;
  /** Index of the most suspicious view. */
  readonly decidingView: number | null;
  readonly warnings: Notice[];
  /** The views that have a finding. */
  readonly judged: Prediction[];

  constructor(
    readonly views: readonly (Prediction | FilmError)[],
    private readonly config: Config,
  ) {
    const isJudged = (view: Prediction | FilmError): view is Prediction =>
      !(view instanceof FilmError) && view.inDistribution;
    this.judged = views.filter(isJudged);
    const suspected = this.judged.filter((v) => v.finding === "fracture_suspected");
    const severities = new Set(suspected.map((view) => view.severity));
    const worstFirst = ["displaced", "hairline"] as const;
    this.severity = worstFirst.find((severity) => severities.has(severity)) ?? null;
    const isClear = (view: Prediction) => view.finding === "no_fracture_seen";
    this.finding = suspected.length
      ? "fracture_suspected"
      : !this.judged.length
        ? "not_judged"
        : this.judged.length === views.length && this.judged.every(isClear)
          ? "no_fracture_seen"
          : "uncertain";
    const worst = this.judged.findIndex(
      (view) => view.fractureProbability === this.fractureProbability,
    );
    this.decidingView = worst < 0 ? null : views.indexOf(this.judged[worst]!);
    this.warnings = warnings(views.length, this.judged);
  }

  /** Of the most suspicious view, in [0, 1]. */
  get fractureProbability(): number | null {
    const judged = this.judged.map((view) => view.fractureProbability);
    return judged.length ? Math.max(...judged) : null;
  }

  /** The part that every judged view clearly shows; null where there is none. */
  get bodyPart(): string | null {
    const parts = new Set(this.judged.map((view) => view.bodyPart));
    return parts.size === 1 ? [...parts][0]! : null;
  }

  get summary(): string {
    return this.finding === "not_judged"
      ? "Not judged: no view could be read as a limb film"
      : summary(this.finding, this.severity);
  }

  /** What is known, and what is not, about the rule at this number of views. */
  get evidence(): string {
    const unknown = "It was not measured on studies: the public films carry no study ids.";
    const views = this.judged.length;
    const { specificity } = this.config.values.operating_points.rule_in;
    if (views < 2 || specificity === undefined || specificity === null) return unknown;
    // Frechet's bounds: they hold however much the views' errors go together.
    const low = Math.max(0, 1 - views * (1 - specificity));
    return (
      "At rule-in one film's specificity on films held out was " +
      `${percent(specificity)}; that of ${views} views lies between ${percent(low)} and ` +
      `${percent(specificity)}, while sensitivity can only gain. ${unknown}`
    );
  }

  /** The JSON of Python's `Study.to_dict()`; `names` are what the sender calls the views. */
  toDict(names: readonly string[] = []): Answer {
    const { fractureProbability } = this;
    const views = this.views.map((view, i) => ({
      name: names[i] ?? "",
      ...(view instanceof FilmError
        ? { error_code: view.code, error_message: view.message }
        : view.toDict()),
    }));
    return {
      model_version: this.judged.length ? this.config.modelVersion : null,
      finding: this.finding,
      summary: this.summary,
      severity: this.severity,
      fracture_probability:
        fractureProbability === null ? null : round(fractureProbability, 6),
      deciding_view: this.decidingView,
      body_part: this.bodyPart,
      rule: RULE,
      evidence: this.evidence,
      warnings: this.warnings.map((notice) => ({ ...notice })),
      views,
    };
  }
}

/** Views of one patient, at least one -> the study they make. */
export function combine(
  results: readonly (Prediction | FilmError)[],
  config: Config,
): Study {
  if (!results.length) throw new RangeError("a study needs at least one view");
  return new Study(results, config);
}

function warnings(views: number, judged: Prediction[]): Notice[] {
  const notices: Notice[] = [];
  const warn = (code: string, message: string) => notices.push({ code, message });
  if (judged.length < views) {
    warn(
      "incomplete_study",
      `${views - judged.length} of ${views} views could not be judged; the study ` +
        "cannot rule a fracture out without them.",
    );
  }
  const films = judged.filter((view, i) => !judged.slice(0, i).some((v) => areCopies(v, view)));
  if (films.length < judged.length) {
    warn("repeated_view", "Two views are the same film; a copy adds nothing.");
  }
  if (films.length === 1) {
    warn(
      "single_view",
      "One view is one too few: a fracture may show in another plane only.",
    );
  }
  return notices;
}

/** Whether two views have the same pixels, as Python's `Radiograph.digest` tells. */
function areCopies({ film: a }: Prediction, { film: b }: Prediction): boolean {
  return a.pixels.length === b.pixels.length && a.pixels.every((v, i) => v === b.pixels[i]);
}
