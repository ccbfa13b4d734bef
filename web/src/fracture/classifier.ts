// FractureClassifier: a weights folder and a film in, a prediction out.

import { Config, CONFIG_FILE, MODEL_FILE, MOST_CONFIG } from "./config";
import { download, Meter, type Progress } from "./download";
import { Engine, prepare } from "./engine";
import { type Film, FilmError } from "./film/film";
import { Letterbox } from "./film/letterbox";
import { readFilm, type Source } from "./reader";
import { Prediction } from "./prediction";

export interface LoadOptions {
  /** Bytes that have come, of how many; a total of 0 is not known. */
  onProgress?: Progress;
  /** Of one prediction, where the page is cross-origin isolated; else there is one. */
  threads?: number;
}

/** Runs exported weights in the browser; no film leaves it. */
export class FractureClassifier {
  private constructor(
    readonly config: Config,
    private readonly engine: Engine,
  ) {}

  /**
   * Loads a weights folder after checking it.
   *
   * `url` is that of the folder with config.json and model.onnx, relative to the page or
   * the worker. Throws `FilmError`: `weights_missing`, `weights_config`,
   * `weights_checksum`, `weights_unreadable`, `weights_shape`.
   */
  static async load(
    url: string | URL,
    { onProgress, threads = 0 }: LoadOptions = {},
  ): Promise<FractureClassifier> {
    const folder = new URL(url, globalThis.location?.href);
    if (!folder.pathname.endsWith("/")) folder.pathname += "/";
    const meter = new Meter(onProgress);
    const [json, model] = await Promise.all([
      download(new URL(CONFIG_FILE, folder), meter.add(), MOST_CONFIG),
      download(new URL(MODEL_FILE, folder), meter.add()),
      prepare(threads, meter.add()),
    ]);
    const config = Config.parse(new TextDecoder().decode(json));
    if ((await sha256(model)) !== config.values.files[MODEL_FILE]) {
      const message =
        `${MODEL_FILE} is not the file ${CONFIG_FILE} was written for (sha256 differs): ` +
        "download or train the folder again";
      throw new FilmError("weights_checksum", message);
    }
    return new FractureClassifier(config, await Engine.load(model, config));
  }

  /** Classifies a file, or a film that was read; throws `FilmError`. */
  async predict(file: Source | Film): Promise<Prediction> {
    const film = "pixels" in file ? file : await readFilm(file);
    const box = new Letterbox(film.height, film.width, this.config.imageSize);
    const outputs = await this.engine.run(box.apply(film.pixels));
    return new Prediction(film, outputs, this.config);
  }
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  if (!globalThis.crypto?.subtle) {
    const message = "Checksums need a secure page: serve it over https or from localhost";
    throw new FilmError("weights_unreadable", message);
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
