// Films and heatmaps as files, drawn where there is no page: in a worker.

import type { Film, Prediction } from "../fracture";
import type { FilmPictures, Pictures } from "./view";
import words from "./words.json";

/** Red, green and blue of each level, and its alpha, as a pixel holds them. */
const COLOURS = Uint32Array.from(words.colours.match(/.{6}/g)!, (rgb, level) => {
  const [red, green, blue] = rgb.match(/../g)!.map((pair) => parseInt(pair, 16));
  return ((level << 24) | (blue! << 16) | (green! << 8) | red!) >>> 0;
});

/** A film, its longer side at most `side` pixels. */
export async function drawFilm(film: Film, side: number): Promise<FilmPictures> {
  return {
    film: await encode(scaled(film, side), "image/jpeg"),
    print: await encode(scaled(film, words.sides.report), "image/jpeg"),
  };
}

/** The heatmaps of a film that was judged. */
export async function drawHeat(prediction: Prediction): Promise<Pictures["heat"]> {
  const targets = prediction.inDistribution ? words.targets : [];
  const heat = targets.map(async (name) => {
    const target = name as Parameters<Prediction["strength"]>[0];
    const picture = colour(prediction.strength(target, words.sides.heatmap));
    return [name, await encode(canvas(picture), "image/png")] as const;
  });
  return Object.fromEntries(await Promise.all(heat));
}

/** A film on a canvas, its longer side at most `side` pixels. */
function scaled(film: Film, side: number): OffscreenCanvas {
  const { width, height } = film;
  const shrink = Math.min(1, side / Math.max(width, height));
  // First to a few times the size, by means: no canvas holds the largest films.
  const whole = canvas(grey(film, Math.max(1, Math.floor(0.5 / shrink))));
  if (shrink === 1) return whole;
  const [w, h] = [width, height].map((length) => Math.max(1, Math.round(length * shrink)));
  const small = new OffscreenCanvas(w!, h!);
  const context = small.getContext("2d")!;
  context.imageSmoothingQuality = "high";
  context.drawImage(whole, 0, 0, w!, h!);
  return small;
}

/** A film as a picture, each pixel the mean of `step` by `step` of it. */
function grey({ pixels, width, height }: Film, step: number): ImageData {
  const [across, down] = [Math.min(step, width), Math.min(step, height)];
  const [columns, rows] = [Math.floor(width / across), Math.floor(height / down)];
  const picture = new ImageData(columns, rows);
  const values = new Uint32Array(picture.data.buffer);
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) {
      const first = y * down * width + x * across;
      let sum = 0;
      for (let j = 0; j < down; j++)
        for (let i = 0; i < across; i++) sum += pixels[first + j * width + i]!;
      const mean = Math.round(sum / (across * down));
      values[y * columns + x] = 0xff000000 | (mean * 0x010101);
    }
  return picture;
}

/** A heatmap in colour; its alpha is the strength, so that laid over the film it glows. */
function colour({ values, width, height }: ReturnType<Prediction["strength"]>): ImageData {
  const picture = new ImageData(width, height);
  const pixels = new Uint32Array(picture.data.buffer);
  values.forEach((value, i) => {
    pixels[i] = COLOURS[Math.floor(Math.min(Math.max(value, 0), 1) * 255)]!;
  });
  return picture;
}

function canvas(picture: ImageData): OffscreenCanvas {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d")!.putImageData(picture, 0, 0);
  return canvas;
}

async function encode(canvas: OffscreenCanvas, type: string): Promise<string> {
  const blob = await canvas.convertToBlob({ type, quality: 0.9 });
  const reader = new FileReader();
  return new Promise((resolve, reject) => {
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
