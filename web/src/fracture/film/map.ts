// The network's maps, drawn on the pixels of the film.

import type { Letterbox } from "./letterbox";

/** One map over the cells of the square, row by row. */
export interface CellMap {
  values: Float32Array;
  rows: number;
  columns: number;
}

/** Centre of a map's first cell, and cell to cell; pixels of the square. */
export interface Place {
  first: number;
  step: number;
}

/** Cells that weigh at a pixel: a quadratic B-spline reaches no further. */
const NEAR = 3;

/** Of each pixel along a side: the first cell that weighs there, and `NEAR` weights. */
interface Splines {
  from: Int32Array;
  weights: Float32Array;
}

/**
 * A map on a film's pixels, worked out a row at a time.
 *
 * Quadratic B-splines: smooth, and never above the strongest cell.
 */
export class FilmMap {
  readonly width: number;
  readonly height: number;
  private readonly down: Splines;
  private readonly across: Splines;
  private readonly mixed: Float32Array;

  constructor(
    private readonly map: CellMap,
    box: Letterbox,
    place: Place,
  ) {
    this.width = box.width;
    this.height = box.height;
    this.down = splines(box.height, box.top, box.innerHeight, map.rows, place);
    this.across = splines(box.width, box.left, box.innerWidth, map.columns, place);
    this.mixed = new Float32Array(map.columns);
  }

  /** All values, row by row. */
  draw(): Float32Array {
    const { width, height } = this;
    const values = new Float32Array(width * height);
    for (let y = 0; y < height; y++) {
      this.row(y, values.subarray(y * width, (y + 1) * width));
    }
    return values;
  }

  /** Where the map is strongest, the first such pixel, and how strong. */
  peak(): { x: number; y: number; value: number } {
    const row = new Float32Array(this.width);
    let peak = { x: 0, y: 0, value: -Infinity };
    for (let y = 0; y < this.height; y++) {
      const value = this.row(y, row, peak.value);
      if (value > peak.value) peak = { x: row.indexOf(value), y, value };
    }
    return peak;
  }

  /** Sums over the ninths of the film, as NumPy's `array_split` cuts it. */
  ninths(): number[] {
    const { values, rows, columns } = this.map;
    const across = thirds(this.across, columns);
    return thirds(this.down, rows).flatMap((row) =>
      across.map((column) =>
        values.reduce(
          (sum, value, i) =>
            sum + value * row[Math.floor(i / columns)]! * column[i % columns]!,
          0,
        ),
      ),
    );
  }

  /** Writes a row, unless no value of it can be above `floor`; gives its greatest. */
  private row(y: number, into: Float32Array, floor = -Infinity): number {
    const { from, weights } = this.across;
    const cells = this.mix(y);
    let most = Math.max(...cells);
    if (most <= floor) return most;
    const last = cells.length - 1;
    most = -Infinity;
    for (let x = 0; x < into.length; x++) {
      let sum = 0;
      for (let i = 0; i < NEAR; i++) {
        sum += weights[x * NEAR + i]! * cells[Math.min(from[x]! + i, last)]!;
      }
      into[x] = sum;
      if (into[x]! > most) most = into[x]!;
    }
    return most;
  }

  /** The cells at a row: those above and below it, weighed. */
  private mix(y: number): Float32Array {
    const { map, mixed } = this;
    const { from, weights } = this.down;
    for (let column = 0; column < mixed.length; column++) {
      let sum = 0;
      for (let i = 0; i < NEAR; i++) {
        const row = Math.min(from[y]! + i, map.rows - 1);
        sum += weights[y * NEAR + i]! * map.values[row * map.columns + column]!;
      }
      mixed[column] = sum;
    }
    return mixed;
  }
}

function splines(
  pixels: number,
  offset: number,
  inner: number,
  cells: number,
  { first, step }: Place,
): Splines {
  const from = new Int32Array(pixels);
  const weights = new Float32Array(pixels * NEAR);
  const exact = new Float64Array(NEAR);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const place = ((pixel + 0.5) * inner) / pixels + offset;
    const position = Math.min(Math.max((place - first) / step, -0.5), cells - 0.5);
    const start = Math.max(0, Math.min(Math.ceil(position - 1.5), cells - NEAR));
    let sum = 0;
    for (let i = 0; i < NEAR; i++) {
      const distance = Math.abs(position - start - i);
      const far = Math.min(Math.max(1.5 - distance, 0), 1) ** 2 / 2;
      const isCell = start + i < cells;
      exact[i] = !isCell ? 0 : distance < 0.5 ? 0.75 - distance ** 2 : far;
      sum += exact[i]!;
    }
    for (let i = 0; i < NEAR; i++) weights[pixel * NEAR + i] = exact[i]! / sum;
    from[pixel] = start;
  }
  return { from, weights };
}

/** What each cell weighs in each third of a side. */
function thirds({ from, weights }: Splines, cells: number): Float64Array[] {
  const sums = [0, 1, 2].map(() => new Float64Array(cells));
  const first = Math.ceil(from.length / 3);
  const second = first + Math.ceil((from.length - first) / 2);
  for (let pixel = 0; pixel < from.length; pixel++) {
    const sum = sums[pixel < first ? 0 : pixel < second ? 1 : 2]!;
    for (let i = 0; i < NEAR; i++) {
      const cell = Math.min(from[pixel]! + i, cells - 1);
      sum[cell] = sum[cell]! + weights[pixel * NEAR + i]!;
    }
  }
  return sums;
}
