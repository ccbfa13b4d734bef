// Names that everything shares: the classes, their maps, and body parts.

/** The classes, in the order of every probability vector and heatmap stack. */
export const CLASSES = ["normal", "hairline", "displaced"] as const;
/** One map for each class, then that of the fracture log-odds. */
export const MAPS = [...CLASSES, "fracture"] as const;
export const CLEAR_PART = 0.5; // probability from which on a film clearly shows a part

export type Class = (typeof CLASSES)[number];
export type MapName = (typeof MAPS)[number];
