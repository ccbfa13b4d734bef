"""The classes, in the order of every probability vector and heatmap stack."""

CLASSES: tuple[str, ...] = ("normal", "hairline", "displaced")
FRACTURE_CLASSES: tuple[str, ...] = CLASSES[1:]
# One Grad-CAM map per class logit, then the map of the fracture log-odds.
MAPS: tuple[str, ...] = (*CLASSES, "fracture")
# What the second output names; a film may show several.
BODY_PARTS: tuple[str, ...] = ("hand", "leg", "hip", "shoulder")
