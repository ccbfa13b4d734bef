// Files of the weights and of the libraries, fetched with their progress told.

import { FilmError } from "./film/film";

/** Bytes that have come, of how many; a total of 0 is not known. */
export type Progress = (loaded: number, total: number) => void;

/** Adds up the progress of several downloads. */
export class Meter {
  private readonly parts: { loaded: number; total: number }[] = [];

  constructor(private readonly report: Progress | undefined) {}

  add(): Progress {
    const part = { loaded: 0, total: 0 };
    this.parts.push(part);
    return (loaded, total) => {
      Object.assign(part, { loaded, total });
      const sum = (key: "loaded" | "total") => this.parts.reduce((n, p) => n + p[key], 0);
      const isKnown = this.parts.every(({ total }) => total);
      this.report?.(sum("loaded"), isKnown ? sum("total") : 0);
    };
  }
}

/** A file's bytes, of JSON at most `most`; throws `weights_missing` or `weights_unreadable`. */
export async function download(
  url: URL | string,
  progress: Progress = () => {},
  most = Infinity,
): Promise<Uint8Array<ArrayBuffer>> {
  const name = new URL(url, "file:///").pathname.split("/").pop()!;
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    const message = `${name} cannot be loaded: ${(error as Error).message}`;
    throw new FilmError("weights_unreadable", message);
  }
  if (!response.ok || !response.body) {
    const message = `There is no ${name} at ${url} (${response.status})`;
    throw new FilmError("weights_missing", message);
  }
  // Of compressed bytes the length says nothing about those that arrive here.
  const isPacked = response.headers.has("Content-Encoding");
  const total = isPacked ? 0 : Number(response.headers.get("Content-Length"));
  const blocks: Uint8Array[] = [];
  let loaded = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    blocks.push(value);
    loaded += value.length;
    if (loaded > most) {
      throw new FilmError("weights_config", `${name} is not valid JSON: it is too large`);
    }
    progress(loaded, total);
  }
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const block of blocks) {
    bytes.set(block, at);
    at += block.length;
  }
  return bytes;
}
