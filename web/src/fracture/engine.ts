// What runs the network: ONNX Runtime in WebAssembly, float32.

import * as ort from "onnxruntime-web/wasm";
import glueUrl from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url&no-inline";
import wasmUrl from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url&no-inline";

import { CLASSES, MAPS } from "./classes";
import { type Config, MODEL_FILE } from "./config";
import { download, type Progress } from "./download";
import { FilmError } from "./film/film";
import type { Outputs } from "./prediction";

const MOST_THREADS = 4; // more gain next to nothing with one film at a time

/** Fetches ONNX Runtime, once for all engines of a page. */
export async function prepare(threads: number, progress: Progress): Promise<void> {
  const { wasm } = ort.env;
  if (wasm.wasmBinary) {
    const { byteLength } = wasm.wasmBinary;
    progress(byteLength, byteLength);
    return;
  }
  const cores = navigator.hardwareConcurrency || 1;
  // Shared memory, and with it threads, a browser gives to isolated pages only.
  wasm.numThreads = globalThis.crossOriginIsolated
    ? threads || Math.min(cores, MOST_THREADS)
    : 1;
  wasm.wasmPaths = { mjs: new URL(glueUrl, import.meta.url).href };
  const bytes = await download(new URL(wasmUrl, import.meta.url), progress);
  wasm.wasmBinary = bytes.buffer;
}

/** A loaded network. */
export class Engine {
  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly size: number,
  ) {}

  /** Throws `weights_unreadable` or `weights_shape`. */
  static async load(model: Uint8Array, config: Config): Promise<Engine> {
    let session: ort.InferenceSession;
    try {
      session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
    } catch (error) {
      const reason = (error as Error).message;
      const message = `${MODEL_FILE} is not a model this engine can run: ${reason}`;
      throw new FilmError("weights_unreadable", message);
    }
    check(session, config);
    return new Engine(session, config.imageSize);
  }

  /** A square, row by row -> what the network says of it. */
  async run(square: Uint8Array): Promise<Outputs> {
    const film = new ort.Tensor("uint8", square, [1, this.size, this.size, 1]);
    const found = await this.session.run({ film });
    const values = Object.entries(found).map(([name, { data }]) => [name, data]);
    return Object.fromEntries(values) as Outputs;
  }
}

/** Throws `weights_shape` unless the model has what config.json declares. */
function check({ inputMetadata, outputMetadata }: ort.InferenceSession, config: Config) {
  const { values } = config;
  const [rows, columns] = values.outputs["heatmaps"]?.shape ?? [];
  const parts = config.bodyParts.length;
  const needed: Record<string, unknown[]> = {
    probabilities: [CLASSES.length],
    heatmaps: [rows, columns, MAPS.length],
    novelty: [],
    ...(parts ? { body_parts: [parts] } : {}),
  };
  const declared = (shapes: Record<string, unknown>, type: string) =>
    Object.entries(shapes)
      .map(([name, shape]) => `${name}: ${type}${JSON.stringify(shape)}`)
      .sort()
      .join(", ");
  const shapes = Object.entries(values.outputs).map(([name, { shape }]) => [name, shape]);
  const outputs = declared(Object.fromEntries(shapes), "float32");
  const wanted = `${declared({ film: values.input.shape }, "uint8")} -> ${outputs}`;
  const found = [inputMetadata, outputMetadata]
    .map((tensors) =>
      tensors
        .map((t) => `${t.name}: ${t.isTensor && t.type + JSON.stringify(t.shape.slice(1))}`)
        .sort()
        .join(", "),
    )
    .join(" -> ");
  if (found !== wanted || outputs !== declared(needed, "float32")) {
    const message = `the model has ${found}, config.json declares ${wanted}`;
    throw new FilmError("weights_shape", message);
  }
}
