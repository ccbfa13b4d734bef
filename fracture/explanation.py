"""From a heatmap to what a person can look at: a colour overlay and a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

# Anchors of matplotlib's "inferno" (CC0): perceptually uniform, safe in grey and for
# colour-blind readers. Its first quarter is left out: it is as black as a film.
_INFERNO = np.array(
    [
        (85, 15, 109),
        (136, 34, 106),
        (186, 54, 85),
        (227, 89, 51),
        (249, 140, 10),
        (249, 201, 50),
        (252, 255, 164),
    ],
    np.float32,
)
# Below this share of the reference strength a map points nowhere in particular.
_FAINT = 0.1


def colour_map() -> np.ndarray:
    """uint8 `(256, 3)`: the colours of relative strength 0..1."""
    steps = np.linspace(0, len(_INFERNO) - 1, 256)
    anchors = np.arange(len(_INFERNO))
    channels = [np.interp(steps, anchors, channel) for channel in _INFERNO.T]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def draw_overlay(
    pixels: np.ndarray, strength: np.ndarray, opacity: float = 0.6
) -> Image.Image:
    """Colours a film where the evidence is; the film itself is never brightened.

    Args:
        pixels: uint8 `(height, width)`.
        strength: float `(height, width)` in [0, 1]; 0 leaves the film as it is.
        opacity: of the strongest evidence, in [0, 1]; weaker shows in proportion.

    Raises:
        ValueError: opacity out of range, or shapes that differ.
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must lie in 0..1, got {opacity}")
    if pixels.shape != strength.shape:
        raise ValueError(f"film is {pixels.shape}, heatmap {strength.shape}")
    strength = np.clip(strength, 0, 1)
    level = (strength * 255).astype(np.uint8)
    film = Image.fromarray(pixels).convert("RGB")
    colour = Image.fromarray(level)
    colour.putpalette(colour_map().tobytes())
    colour = colour.convert("RGB")
    mask = Image.fromarray((strength * opacity * 255).astype(np.uint8))
    return Image.composite(colour, film, mask)


def draw_marks(picture: Image.Image, boxes: Sequence[tuple[int, ...]]) -> None:
    """Outlines boxes, white on black so that they show on any film, and numbers them.

    Args:
        picture: RGB, drawn on.
        boxes: `x0, y0, x1, y1` in its pixels.
    """
    draw = ImageDraw.Draw(picture)
    line = max(1, round(max(picture.size) / 400))
    for number, (x0, y0, x1, y1) in enumerate(boxes, 1):
        for inset, colour in ((-line, "black"), (0, "white"), (line, "black")):
            corners = (x0 + inset, y0 + inset, x1 - 1 - inset, y1 - 1 - inset)
            if corners[0] <= corners[2] and corners[1] <= corners[3]:
                draw.rectangle(corners, outline=colour, width=line)
        at = (x0 + 3 * line, y0 + 2 * line)
        draw.text(
            *(at, str(number), "white"),
            font_size=12 * line,
            stroke_width=line,
            stroke_fill="black",
        )


def locate(heatmap: np.ndarray) -> tuple[int, int]:
    """`(x, y)` of a heatmap's maximum, in pixels of the film."""
    y, x = np.unravel_index(np.argmax(heatmap), heatmap.shape)
    return int(x), int(y)


def describe_location(heatmap: np.ndarray, reference: float) -> str:
    """Says in words where the evidence is.

    Args:
        heatmap: float `(height, width)`, >= 0.
        reference: strength of clear evidence, in the heatmap's unit.

    Returns:
        A sentence naming the ninth of the film that holds most of the evidence.
    """
    if heatmap.max() < _FAINT * reference:
        return "No region of the film stands out as evidence of a fracture."
    rows = np.array_split(heatmap, 3, axis=0)
    shares = np.array(
        [[c.sum() for c in np.array_split(row, 3, axis=1)] for row in rows]
    )
    shares /= shares.sum()
    row, column = np.unravel_index(np.argmax(shares), shares.shape)
    vertical = ("upper", "middle", "lower")[row]
    horizontal = ("left", "centre", "right")[column]
    place = "centre" if row == column == 1 else f"{vertical} {horizontal}"
    return (
        f"The {place} of the film holds {shares.max():.0%} of the evidence that raised "
        "the fracture score."
    )
