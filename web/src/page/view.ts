// What a worker says of a film, in plain values that a page can be made of.

import type { Answer, Config } from "../fracture";

/** An error to tell: a stable code and a sentence. */
export interface Trouble {
  code: string;
  message: string;
}

/** A film as data URIs, for a viewer and for the report. */
export interface FilmPictures {
  film: string;
  /** The film on paper. */
  print: string;
}

/** Those, and what is laid over them. */
export interface Pictures extends FilmPictures {
  /** One heatmap for each target; none of a film that was not judged. */
  heat: Record<string, string>;
}

/** One film: what became of it. */
export interface View {
  name: string;
  /** The JSON of `Prediction.to_dict()`, or `error_code` and `error_message`. */
  answer: Answer;
  seen?: {
    facts: Record<string, string | number>;
    width: number;
    height: number;
    pictures: Pictures;
  };
}

/** What config.json says of the weights at work. */
export type Weights = Config["values"];

/** The view of a film that could not be read. */
export function failed(name: string, { code, message }: Trouble): View {
  return { name, answer: { error_code: code, error_message: message } };
}

/** What nobody foresaw, a browser without memory for example. */
export function unexpected(error: unknown): Trouble {
  const reason = error instanceof Error ? error.message : String(error);
  return { code: "page_failed", message: `It stopped in this browser: ${reason}` };
}
