// Results as HTML, by the app's own templates.

import { Environment, PrecompiledLoader } from "nunjucks/browser/nunjucks-slim";
import templates from "virtual:templates";

import type { Answer } from "../fracture";
import { nextSteps } from "./guidance";
import type { View, Weights } from "./view";
import words from "./words.json";

const share = (value: number) => `${(100 * value).toFixed(1)}%`;
// Nothing is certain, so neither 0 nor 100.
const percent = (value: number) =>
  value < 0.01 ? "under 1%" : value > 0.99 ? "over 99%" : share(value);

/** A text inside the page: `kind` is its media type. */
function dataUri(content: string, kind: string): string {
  const bytes = new TextEncoder().encode(content);
  let letters = "";
  for (let at = 0; at < bytes.length; at += 0x8000)
    letters += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return `data:${kind};base64,${btoa(letters)}`;
}

/** A view as the templates know it: named and shaped like Python's `Result`. */
function result({ name, answer, seen }: View) {
  const toDict = () => answer;
  if (!seen) {
    const error = { code: answer["error_code"], message: answer["error_message"] };
    return { name, judged: false, prediction: null, error, to_dict: toDict };
  }
  const { rule_out_threshold: rule_out, rule_in_threshold: rule_in } = answer;
  const prediction = {
    ...answer,
    config: { operating_points: { rule_out, rule_in } },
    film: { metadata: seen.facts, pixels: { shape: [seen.height, seen.width] } },
    pictures: seen.pictures,
  };
  return { name, judged: answer["in_distribution"], prediction, to_dict: toDict };
}

type Prediction = NonNullable<ReturnType<typeof result>["prediction"]>;
let viewers = 0;

const environment = new Environment(new PrecompiledLoader(templates as never), {
  autoescape: true,
  throwOnUndefined: true,
});
const FILTERS = {
  data_uri: dataUri,
  items: Object.entries,
  json: (value: unknown) => JSON.stringify(value, null, 2),
  max: (values: number[]) => Math.max(...values),
  percent,
  score: (value: number) => value.toFixed(2),
  share,
};
const GLOBALS = {
  colours: words.legend,
  disclaimer: words.disclaimer,
  film_uri: ({ pictures }: Prediction, side: number) =>
    side === words.sides.report ? pictures.print : pictures.film,
  fitted: ({ film }: Prediction, side: number) => {
    const [height, width] = film.pixels.shape as [number, number];
    const scale = Math.min(1, side / Math.max(height, width));
    return [width, height].map((length) => Math.max(1, Math.round(length * scale)));
  },
  heat_uri: ({ pictures }: Prediction, target: string) => pictures.heat[target],
  marks: words.marks,
  next_steps: nextSteps,
  number: () => viewers++,
  targets: words.targets,
};
for (const [name, filter] of Object.entries(FILTERS)) environment.addFilter(name, filter);
for (const [name, value] of Object.entries(GLOBALS)) environment.addGlobal(name, value);

/**
 * A film's finding, viewer, report, reference steps and JSON; or why there is none.
 * `label` is what its readers called it, where that is known.
 */
export function renderFilm(
  view: View,
  weights: Weights | null,
  label: string | null = null,
): string {
  return environment.render("read.html", {
    result: result(view),
    side: words.sides.film,
    report: view.seen && weights ? renderReport(view, weights) : null,
    report_name: `${view.name.replace(/(?<=.)\.[^.]*$/, "")}-report.html`,
    guidance: true,
    label,
  });
}

/** A study's finding, then each view. */
export function renderStudy(answer: Answer, views: View[]): string {
  const study = { ...answer, views: views.map(result), to_dict: () => answer };
  return environment.render("study.html", {
    study,
    side: words.sides.view,
    guidance: true,
  });
}

/** How far a study is. */
export function renderProgress(done: number, films: number): string {
  return environment.render("progress.html", { done, films, unread: 0 });
}

/** A film's report: an HTML document that loads nothing. */
export function renderReport(view: View, weights: Weights, time = new Date()): string {
  return environment.render("report.html", {
    result: result(view),
    guidance: true,
    side: words.sides.report,
    weights,
    checksum: weights.files["model.onnx"],
    time: `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`,
  });
}
