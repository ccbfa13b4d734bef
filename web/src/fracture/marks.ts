// Marks: boxes where a fracture may be, read from the map that boxes taught.

import { Letterbox } from "./film/letterbox";
import { type CellMap, FilmMap, type Place } from "./film/map";
import { rint, round } from "./numbers";

/** A box in the film's pixels, from its left upper corner, and how sure it is, 0 to 1. */
export interface Mark {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
  score: number;
}

const MOST = 5; // marks of a film
const SIDE = 128; // pixels of the longer side that peaks are looked for on
const PEAKS = 50; // looked at, the strongest first
const SHARED = 0.1; // share of their area that two marks may have in common

/**
 * Reads the marks from the fracture map, the surest first.
 *
 * `rules` are the side of a mark as a share of the square's, and the least strength of
 * a peak relative to the strongest.
 */
export function findMarks(
  box: Letterbox,
  map: CellMap,
  place: Place,
  probability: number,
  rules: { side: number; least: number },
): Mark[] {
  const { height, width } = box;
  const small = shrunk(box, SIDE);
  const { width: columns, height: rows } = small;
  const strength = new FilmMap(map, small, place).draw();
  const strongest = strength.reduce((a, b) => Math.max(a, b), 0);
  if (!(strongest > 0)) return [];
  const least = Math.fround(Math.max(rules.least * strongest, 1e-12));
  const peaks = findPeaks(strength, rows, columns, least)
    .sort((a, b) => strength[b]! - strength[a]!)
    .slice(0, PEAKS);
  const side = rules.side * Math.max(height, width);
  const chosen: { x: number; y: number; relative: number }[] = [];
  for (const peak of peaks) {
    const x = (((peak % columns) + 0.5) * width) / columns;
    const y = ((Math.floor(peak / columns) + 0.5) * height) / rows;
    const isApart = chosen.every((other) => {
      const across = Math.max(1 - Math.abs(x - other.x) / side, 0);
      return across * Math.max(1 - Math.abs(y - other.y) / side, 0) <= SHARED;
    });
    if (isApart) chosen.push({ x, y, relative: Math.fround(strength[peak]! / strongest) });
  }
  return chosen.slice(0, MOST).map(({ x, y, relative }) => {
    const [x0, x1] = edges(x, side, width);
    const [y0, y1] = edges(y, side, height);
    return { x0, y0, x1, y1, score: round(probability * relative ** 2, 6) };
  });
}

/** A film of the same aspect, at most `side` pixels long, in the same square. */
export function shrunk({ height, width, size }: Letterbox, side: number): Letterbox {
  const shrink = Math.min(1, side / Math.max(height, width));
  const [rows, columns] = [height, width].map((n) => Math.max(1, rint(n * shrink)));
  return new Letterbox(rows!, columns!, size);
}

/** Indices of pixels that no neighbour is stronger than. */
function findPeaks(
  strength: Float32Array,
  rows: number,
  columns: number,
  least: number,
): number[] {
  const peaks: number[] = [];
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const value = strength[y * columns + x]!;
      let isHighest = value >= least;
      for (let dy = Math.max(y - 1, 0); isHighest && dy <= Math.min(y + 1, rows - 1); dy++) {
        for (let dx = Math.max(x - 1, 0); dx <= Math.min(x + 1, columns - 1); dx++) {
          isHighest &&= value >= strength[dy * columns + dx]!;
        }
      }
      if (isHighest) peaks.push(y * columns + x);
    }
  }
  return peaks;
}

/** From where to where a mark reaches along one side of the film. */
function edges(centre: number, side: number, length: number): [number, number] {
  const start = Math.min(Math.max(rint(centre - side / 2), 0), length - 1);
  const end = Math.min(Math.max(rint(centre + side / 2), start + 1), length);
  return [start, end];
}
