"""Films and heatmaps as files: small, encoded, ready for a page or an answer."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from fracture.classes import MAPS
from fracture.explanation import colour_map
from fracture.prediction import Prediction
from fracture.radiograph.letterbox import Letterbox

_INDICES = np.arange(256, dtype=np.uint8).tobytes()


def fitted(prediction: Prediction, side: int) -> tuple[int, int]:
    """`(width, height)` of the film when its longer side is at most `side` pixels."""
    height, width = prediction.film.pixels.shape
    scale = min(1.0, side / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def film_jpeg(prediction: Prediction, side: int) -> bytes:
    """The film as the model read it, its longer side at most `side` pixels."""
    size = fitted(prediction, side)
    picture = Image.fromarray(prediction.film.pixels)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return _encode(picture, "JPEG", quality=90)


def strength(prediction: Prediction, target: str, side: int) -> np.ndarray:
    """A heatmap over the film, its longer side at most `side` pixels.

    Returns:
        float32 `(height, width)`, log-odds per cell of the network's map, >= 0.

    Raises:
        ValueError: unknown target.
    """
    if target not in MAPS:
        raise ValueError(f"target must be one of {', '.join(MAPS)}, got {target!r}")
    width, height = fitted(prediction, side)
    letterbox = Letterbox(height, width, prediction.config.image_size)
    grid = prediction.grids[MAPS.index(target)][None]
    return letterbox.to_film(grid, *prediction.config.heatmap_grid)[0]


def heatmap_png(prediction: Prediction, target: str, side: int) -> bytes:
    """A heatmap as an 8-bit PNG that is data and picture at once.

    Its indices are the strength, 255 at the strength that clear evidence has on
    validation films and beyond; its palette gives each index the colour and the
    opacity of `Prediction.overlay`, so that laid over the film it is the overlay.
    """
    relative = strength(prediction, target, side) / prediction.config.heatmap_reference
    picture = Image.fromarray((np.clip(relative, 0, 1) * 255).astype(np.uint8))
    picture.putpalette(colour_map().tobytes())
    return _encode(picture, "PNG", transparency=_INDICES, compress_level=6)


def thumbnail(prediction: Prediction, side: int = 64) -> bytes:
    """The film as a small JPEG."""
    return film_jpeg(prediction, side)


def data_uri(content: bytes, kind: str) -> str:
    """A file inside a page: `kind` is its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _encode(picture: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()
