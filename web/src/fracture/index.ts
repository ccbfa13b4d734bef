// A radiograph in; normal, hairline or displaced, how probable, and why, out.

export { CLASSES, MAPS } from "./classes";
export { FractureClassifier, type LoadOptions } from "./classifier";
export type { Config } from "./config";
export { type Film, FilmError, type Notice } from "./film/film";
export { Letterbox } from "./film/letterbox";
export { readFilm, type Source } from "./reader";
export { type Finding, FINDINGS, type Severity } from "./finding";
export type { Mark } from "./marks";
export type { Answer, Prediction } from "./prediction";
export { combine, type Study } from "./study";
