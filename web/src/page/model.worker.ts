// Judges films that were read: the network, what it says, and the pictures of that.

import { expose } from "comlink";

import {
  type Answer,
  combine,
  type Film,
  FilmError,
  FractureClassifier,
  type Prediction,
} from "../fracture";
import { drawHeat } from "./pictures";
import type { Pictures, Trouble, Weights } from "./view";

/** What there is to say of a film. */
interface Judged {
  answer: Answer;
  heat: Pictures["heat"];
}

let classifier: FractureClassifier;
// Of the study that is being read.
let kept: { name: string; found: Prediction | FilmError }[] = [];

const model = {
  /** Loads the weights; returns what they say of themselves, or why they do not. */
  async load(
    url: string,
    onProgress: (loaded: number, total: number) => void,
  ): Promise<{ weights: Weights } | { error: Trouble }> {
    try {
      classifier = await FractureClassifier.load(url, { onProgress });
      return { weights: classifier.config.values };
    } catch (error) {
      if (error instanceof FilmError) return { error: error.toDict() };
      throw error;
    }
  },

  /** Judges a film that was read. */
  async judge(name: string, film: Film, ofStudy: boolean): Promise<Judged> {
    const prediction = await classifier.predict(film);
    if (ofStudy) kept.push({ name, found: prediction });
    return { answer: prediction.toDict(), heat: await drawHeat(prediction) };
  },

  /** A view of the study that could not be read. */
  miss(name: string, { code, message }: Trouble): void {
    kept.push({ name, found: new FilmError(code, message) });
  },

  /** Begins a study: what was kept of another is forgotten. */
  begin(): void {
    kept = [];
  },

  /** What the views since `begin` say together; `Study.to_dict()`. */
  combine(): Answer {
    const study = combine(
      kept.map(({ found }) => found),
      classifier.config,
    );
    const answer = study.toDict(kept.map(({ name }) => name));
    kept = [];
    return answer;
  },
};

export type Model = typeof model;
expose(model);
