"""Names that everything shares: the classes, their maps, and body parts."""

# The classes, in the order of every probability vector and heatmap stack.
CLASSES: tuple[str, ...] = ("normal", "hairline", "displaced")
FRACTURE_CLASSES: tuple[str, ...] = CLASSES[1:]
# One Grad-CAM map per class logit, then the map of the fracture log-odds.
MAPS: tuple[str, ...] = (*CLASSES, "fracture")
# What may be called a body part, of limbs, girdles and trunk: terms of DICOM's Body
# Part Examined (PS3.16, Annex L) as people write them. Any other tag names none.
BODY_PARTS: tuple[str, ...] = (
    *("ankle", "arm", "clavicle", "elbow", "femur", "fibula", "finger", "foot"),
    *("forearm", "hand", "heel", "hip", "humerus", "knee", "leg", "patella"),
    *("pelvis", "radius", "rib", "scapula", "shoulder", "skull", "spine"),
    *("sternum", "thigh", "thumb", "tibia", "toe", "ulna", "wrist"),
)
CLEAR_PART = 0.5  # probability from which on a film clearly shows a part
