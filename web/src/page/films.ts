// Films through the workers: read within a limit of time, judged, one after the other.

import { proxy } from "comlink";

import type { Answer } from "../fracture";
import type { Model } from "./model.worker";
import modelUrl from "./model.worker?worker&url";
import type { Read, Reader } from "./reader.worker";
import readerUrl from "./reader.worker?worker&url";
import { type Trouble, unexpected, type View, type Weights } from "./view";
import words from "./words.json";
import { start, type Started } from "./workers";

type Loaded = { weights: Weights } | { error: Trouble };
type Progress = (loaded: number, total: number) => void;

/** What there is to show: the views, and what they say together if they are a study. */
export interface Found {
  weights: Weights;
  views: View[];
  study?: Answer;
}

/** Reads and judges what is handed over. */
export class Films {
  private model: Started<Model> | undefined;
  private reader: Started<Reader> | undefined;
  private loaded: Promise<Loaded>;
  private last: Promise<unknown>;

  /** Loads the weights at `url` at once; `onLoad` is told how that ended. */
  constructor(
    private readonly url: string,
    private readonly onProgress: Progress,
    private readonly onLoad: (loaded: Loaded) => void,
  ) {
    this.last = this.loaded = this.load();
  }

  /**
   * Reads files in their turn, as films each for itself or as the views of one study.
   *
   * Returns undefined as soon as nobody wants them any more, or the reason why there
   * can be no answer to anything.
   */
  read(
    files: readonly { name: string; file: Blob }[],
    isStudy: boolean,
    isWanted: () => boolean,
  ): Promise<Found | { error: Trouble } | undefined> {
    const turn = this.last.then(async () => {
      if (!isWanted()) return undefined;
      let loaded = await this.loaded;
      if ("error" in loaded) loaded = await (this.loaded = this.load());
      if ("error" in loaded) return loaded;
      try {
        const found = await this.judge(files, isStudy, isWanted);
        return found && { ...found, weights: loaded.weights };
      } catch (error) {
        this.model?.end(); // the next film begins anew
        const trouble = { error: unexpected(error) };
        this.loaded = Promise.resolve(trouble);
        return trouble;
      }
    });
    this.last = turn;
    return turn;
  }

  private async load(): Promise<Loaded> {
    const model = (this.model = start<Model>(modelUrl));
    const progress = proxy(this.onProgress);
    const loading = model.remote.load(this.url, progress);
    const loaded = await Promise.race([loading, model.failure]).catch((error: unknown) => ({
      error: unexpected(error),
    }));
    if ("error" in loaded) model.end();
    this.onLoad(loaded);
    return loaded;
  }

  private async judge(
    files: readonly { name: string; file: Blob }[],
    isStudy: boolean,
    isWanted: () => boolean,
  ): Promise<{ views: View[]; study?: Answer } | undefined> {
    const { remote, failure } = this.model!;
    const side = isStudy ? words.sides.view : words.sides.film;
    if (isStudy) await remote.begin();
    const views: View[] = [];
    for (const { name, file } of files) {
      const read = await this.readFile(file);
      if (!isWanted()) return undefined;
      views.push(await Promise.race([remote.judge(name, read, side, isStudy), failure]));
      if (!isWanted()) return undefined;
    }
    return isStudy ? { views, study: await remote.combine() } : { views };
  }

  private async readFile(file: Blob): Promise<Read> {
    const reader = (this.reader ??= start<Reader>(readerUrl));
    let clock: number | undefined;
    try {
      await Promise.race([reader.remote.ready(), reader.failure]);
      const late = new Promise<"late">((resolve) => {
        clock = window.setTimeout(resolve, words.limits.reader_seconds * 1000, "late");
      });
      const read = await Promise.race([reader.remote.read(file), reader.failure, late]);
      return read === "late" ? this.lost("reader_timeout") : read;
    } catch {
      return this.lost("reader_crashed");
    } finally {
      window.clearTimeout(clock);
    }
  }

  /** Ends the reader, for another to begin with the next film. */
  private lost(code: "reader_timeout" | "reader_crashed"): Read {
    this.reader?.end();
    this.reader = undefined;
    return { error: { code, message: words.messages[code] } };
  }
}
