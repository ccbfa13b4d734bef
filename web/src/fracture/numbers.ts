// Numbers as Python rounds and writes them: exact ties go to the even neighbour.

/** The nearest integer, halves to even: Python's `round`, NumPy's `rint`. */
export function rint(value: number): number {
  const near = Math.round(value);
  return Math.abs(value % 1) === 0.5 && near % 2 !== 0 ? near - 1 : near;
}

/** Python's `f"{value:.{digits}f}"`. */
export function fixed(value: number, digits: number): string {
  // Only where this is odd is a number a tie at so many decimals; toFixed rounds it up.
  const halves = value * 2 ** (digits + 1);
  if (!Number.isInteger(halves) || halves % 2 === 0) return value.toFixed(digits);
  return (rint(value * 10 ** digits) / 10 ** digits).toFixed(digits);
}

/** Python's `round(value, digits)`. */
export function round(value: number, digits: number): number {
  return Number(fixed(value, digits));
}

/** Python's `f"{value:.0%}"`. */
export function percent(share: number): string {
  return `${fixed(share * 100, 0)}%`;
}
