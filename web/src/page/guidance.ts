// What guidelines describe after a finding, each step with its source.

import guidance from "../../../fracture/guidance.json";

type Steps = Record<string, Record<string, string[]>>;

export interface Step {
  text: string;
  source: { publisher: string; title: string; year: number; url: string };
}

/** Reference steps, the most pressing first, as `fracture.guidance.next_steps`. */
export function nextSteps(
  finding: string,
  severity: string | null,
  bodyPart: string | null,
): Step[] {
  const names = (guidance.findings as Steps)[finding]?.[severity ?? "ungraded"] ?? [];
  return names
    .map((name) => guidance.steps[name as keyof typeof guidance.steps])
    .filter((step) => !("parts" in step) || (step.parts as unknown[]).includes(bodyPart))
    .map((step) => ({
      text: step.text,
      source: guidance.sources[step.source as keyof typeof guidance.sources],
    }));
}
