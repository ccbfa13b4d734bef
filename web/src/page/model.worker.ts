// Judges films that were read: the network, what it says, and the pictures of that.

import { expose } from "comlink";

import {
  type Answer,
  combine,
  FilmError,
  FractureClassifier,
  type Prediction,
} from "../fracture";
import { draw } from "./pictures";
import type { Read } from "./reader.worker";
import { failed, type Trouble, type View, type Weights } from "./view";

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

  /** A film that was read, or its error -> its view, the picture `side` pixels long. */
  async judge(name: string, read: Read, side: number, ofStudy: boolean): Promise<View> {
    const views = ofStudy ? kept : [];
    if ("error" in read) {
      const { code, message } = read.error;
      views.push({ name, found: new FilmError(code, message) });
      return failed(name, read.error);
    }
    const { film } = read;
    const prediction = await classifier.predict(film);
    views.push({ name, found: prediction });
    return {
      name,
      answer: prediction.toDict(),
      seen: {
        facts: film.metadata,
        width: film.width,
        height: film.height,
        pictures: await draw(prediction, side),
      },
    };
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
