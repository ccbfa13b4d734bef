// Reads films, so that a file which takes it down takes nothing else, and draws them
// while they are judged.

import { expose } from "comlink";

import { type Film, FilmError, readFilm } from "../fracture";
import { drawFilm } from "./pictures";
import type { FilmPictures, Trouble } from "./view";

export type Read = { film: Film } | { error: Trouble };

let kept: Film | undefined;

const reader = {
  /** Answers as soon as films can be read. */
  ready(): void {},

  async read(file: Blob): Promise<Read> {
    kept = undefined;
    try {
      return { film: (kept = await readFilm(file)) };
    } catch (error) {
      if (error instanceof FilmError) return { error: error.toDict() };
      throw error;
    }
  },

  /** The film that was read last, its longer side at most `side` pixels. */
  async draw(side: number): Promise<FilmPictures> {
    const film = kept!;
    kept = undefined;
    return drawFilm(film, side);
  },
};

export type Reader = typeof reader;
expose(reader);
