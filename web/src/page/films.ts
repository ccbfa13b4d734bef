// Films through the workers: read within a limit of time, judged, one after the other.

import { proxy, transfer } from "comlink";

import type { Answer, Film } from "../fracture";
import type { Model } from "./model.worker";
import modelUrl from "./model.worker?worker&url";
import type { Read, Reader } from "./reader.worker";
import readerUrl from "./reader.worker?worker&url";
import { failed, type Trouble, unexpected, type View, type Weights } from "./view";
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

interface Asked {
  files: readonly { name: string; file: Blob }[];
  /** Whether the files are the views of one study; else they are films. */
  isStudy: boolean;
  /** Aborts when nobody wants them any more. */
  signal: AbortSignal;
  /** Told how many views there are so far. */
  onView(done: number): void;
}

/** Reads and judges what is handed over. */
export class Films {
  private model: Started<Model> | undefined;
  private reader: Started<Reader> | undefined = start<Reader>(readerUrl);
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
   * Reads files, in their turn.
   *
   * Returns undefined if nobody wanted them any more, and the reason where there can be
   * no answer to anything.
   */
  read(asked: Asked): Promise<Found | { error: Trouble } | undefined> {
    const turn = this.last.then(async () => {
      if (asked.signal.aborted) return undefined;
      let loaded = await this.loaded;
      if ("error" in loaded) loaded = await (this.loaded = this.load());
      if ("error" in loaded) return loaded;
      try {
        const found = await this.judge(asked);
        return found && { ...found, weights: loaded.weights };
      } catch (error) {
        this.model?.end(); // the next film begins anew
        this.endReader();
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
    const loading = model.remote.load(this.url, proxy(this.onProgress));
    const loaded = await model.during<Loaded>(loading).catch((error: unknown) => ({
      error: unexpected(error),
    }));
    if ("error" in loaded) model.end();
    this.onLoad(loaded);
    return loaded;
  }

  private async judge({
    files,
    isStudy,
    signal,
    onView,
  }: Asked): Promise<{ views: View[]; study?: Answer } | undefined> {
    const { remote, during } = this.model!;
    if (isStudy) await during(remote.begin());
    const views: View[] = [];
    for (const { name, file } of files) {
      const read = await this.readFile(file, signal);
      if (signal.aborted) return undefined;
      if ("film" in read) views.push(await this.judgeFilm(name, read.film, isStudy));
      else {
        if (isStudy) await during(remote.miss(name, read.error));
        views.push(failed(name, read.error));
      }
      if (signal.aborted) return undefined;
      onView(views.length);
    }
    return isStudy ? { views, study: await during(remote.combine()) } : { views };
  }

  /** The view of a film, which the reader draws while the model judges it. */
  private async judgeFilm(name: string, film: Film, isStudy: boolean): Promise<View> {
    const [model, reader] = [this.model!, this.reader!];
    const { width, height, metadata: facts } = film;
    const side = isStudy ? words.sides.view : words.sides.film;
    const sent = transfer(film, [film.pixels.buffer]);
    const [pictures, { answer, heat }] = await Promise.all([
      reader.during(reader.remote.draw(side)),
      model.during(model.remote.judge(name, sent, isStudy)),
    ]);
    return { name, answer, seen: { facts, width, height, pictures: { ...pictures, heat } } };
  }

  private async readFile(file: Blob, signal: AbortSignal): Promise<Read> {
    const { remote, during } = (this.reader ??= start<Reader>(readerUrl));
    try {
      await during(remote.ready());
      const limit = AbortSignal.timeout(words.limits.reader_seconds * 1000);
      const end = AbortSignal.any([signal, limit]);
      const ended = new Promise<undefined>((resolve) =>
        end.addEventListener("abort", () => resolve(undefined)),
      );
      const read = await Promise.race([during<Read>(remote.read(file)), ended]);
      return read ?? this.lost("reader_timeout");
    } catch {
      return this.lost("reader_crashed");
    }
  }

  /** Ends the reader, whatever it is at; another begins with the next film. */
  private lost(code: "reader_timeout" | "reader_crashed"): Read {
    this.endReader();
    return { error: { code, message: words.messages[code] } };
  }

  private endReader(): void {
    this.reader?.end();
    this.reader = undefined;
  }
}
