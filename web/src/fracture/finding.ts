// The finding of a film: what follows from its probabilities and its novelty.

import type { Class } from "./classes";

export const FINDINGS = {
  no_fracture_seen: "No fracture seen",
  uncertain: "Uncertain: needs a reader",
  fracture_suspected: "Fracture suspected",
  not_judged: "Not judged: unlike the films this model knows",
} as const;

export type Finding = keyof typeof FINDINGS;
export type Severity = "hairline" | "displaced";

/**
 * The finding of a film.
 *
 * `novelty` is log-odds relative to a threshold; a film above 0 is not judged. No
 * fracture is seen below `rule_out`, one is suspected from `rule_in` on.
 */
export function decide(
  fractureProbability: number,
  novelty: number,
  points: { rule_out: number; rule_in: number },
): Finding {
  if (!(novelty <= 0)) return "not_judged";
  if (fractureProbability >= points.rule_in) return "fracture_suspected";
  return fractureProbability < points.rule_out ? "no_fracture_seen" : "uncertain";
}

/** The likelier kind where a fracture is suspected; null where neither is. */
export function grade(
  finding: Finding,
  { hairline, displaced }: Record<Class, number>,
): Severity | null {
  if (finding !== "fracture_suspected" || hairline === displaced) return null;
  return hairline > displaced ? "hairline" : "displaced";
}

/** A finding in words, with the severity that comes with it. */
export function summary(finding: Finding, severity: Severity | null): string {
  const words = FINDINGS[finding];
  return severity ? `${words}, ${severity} more likely` : words;
}
