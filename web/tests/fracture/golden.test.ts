// What Node can read of the golden files is read as Python reads it: PNG, TIFF, DICOM.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

import { FilmError, Letterbox, type Notice, readFilm } from "../../src/fracture";

interface Golden {
  square?: string;
  metadata?: Record<string, string | number>;
  answer?: { warnings: Notice[] };
  error?: Notice;
  /** The code with which the port refuses what Python reads. */
  browser?: string;
}

const FOLDER = new URL("../../golden/", import.meta.url);
const GOLDEN = JSON.parse(readFileSync(new URL("answers.json", FOLDER), "utf-8")) as Record<
  string,
  Golden
>;
// Their pixels come out of a browser's decoders.
const IN_BROWSERS = /\.(jpg|webp|bmp)$|^jpeg\.dcm$/;
const CONFIG = new URL("../../../weights/config.json", import.meta.url);
const SIZE = JSON.parse(readFileSync(CONFIG, "utf-8")).input.shape[0]; // of a square

async function read(name: string) {
  try {
    return await readFilm(readFileSync(new URL(name, FOLDER)));
  } catch (error) {
    expect(error).toBeInstanceOf(FilmError);
    return error as FilmError;
  }
}

describe.each(Object.entries(GOLDEN))("%s", (name, { error, browser, ...expected }) => {
  it("is read as Python reads it", async () => {
    const film = await read(name);
    if (!error && (browser || IN_BROWSERS.test(name))) {
      expect(film).toHaveProperty("code", "unsupported_pixels");
    } else if (film instanceof FilmError) {
      expect(film.toDict()).toEqual(error);
    } else {
      const square = new Letterbox(film.height, film.width, SIZE).apply(film.pixels);
      expect(createHash("sha256").update(square).digest("hex")).toBe(expected.square);
      expect(film.metadata).toEqual(expected.metadata);
      const told = expected.answer!.warnings.filter((w) => w.code !== "out_of_distribution");
      expect(film.warnings).toEqual(told);
    }
  });
});
