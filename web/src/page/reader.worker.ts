// Reads films, so that a file which takes it down takes nothing else.

import { expose, transfer } from "comlink";

import { type Film, FilmError, readFilm } from "../fracture";
import type { Trouble } from "./view";

export type Read = { film: Film } | { error: Trouble };

const reader = {
  /** Answers as soon as films can be read. */
  ready(): void {},

  async read(file: Blob): Promise<Read> {
    try {
      const film = await readFilm(file);
      return transfer({ film }, [film.pixels.buffer]);
    } catch (error) {
      if (error instanceof FilmError) return { error: error.toDict() };
      throw error;
    }
  },
};

export type Reader = typeof reader;
expose(reader);
