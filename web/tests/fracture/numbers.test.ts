import { describe, expect, it } from "vitest";

import { fixed, percent, rint, round } from "../../src/fracture/numbers";

describe("numbers as Python rounds them", () => {
  it.each([
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [-0.5, -0],
    [-1.5, -2],
    [2.4999, 2],
    [384.5, 384],
  ])("rint(%d) is %d", (value, expected) => expect(rint(value)).toBe(expected));

  it.each([
    [1 / 128, 6, "0.007812"], // a tie, to even
    [3 / 128, 6, "0.023438"], // a tie, to even
    [0.0078125001, 6, "0.007813"],
    [1.005, 2, "1.00"], // below the tie that it seems to be
    [40.25, 1, "40.2"],
    [40.35, 1, "40.4"],
  ])("fixed(%d, %d) is %s", (value, digits, expected) => {
    expect(fixed(value, digits)).toBe(expected);
    expect(round(value, digits)).toBe(Number(expected));
  });

  it.each([
    [0.125, "12%"],
    [0.135, "14%"],
    [0.465, "46%"],
    [1, "100%"],
  ])("percent(%d) is %s", (share, expected) => expect(percent(share)).toBe(expected));
});
