"""What exposure and storage do to a film: blur, collimation, compression."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFilter

_BEST = 95  # JPEG quality; beyond it files grow and pictures stay
_TILT = 5.0  # degrees, standard deviation of the shutters
_SHUTTERS = 0.8  # share of the four that are seen
_OPEN = (0.5, 1.0)  # of half the side, from the middle to a shutter
_GREY = 70.0  # brightest border


def blur(film: Image.Image, sigma: float, rng: np.random.Generator) -> Image.Image:
    """Blurs half the films by up to `sigma` pixels."""
    sigma = rng.uniform(-sigma, sigma)
    return film.filter(ImageFilter.GaussianBlur(sigma)) if sigma > 0 else film


def collimate(
    grey: np.ndarray, kept: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Lays the borders of a collimator onto a film.

    Up to four straight edges, square to each other and a little askew, with a penumbra;
    beyond them an even grey, black as often as not.

    Args:
        grey: `(size, size)`.
        kept: points `(n, 2)` that stay uncovered.
    """
    size, tilt = len(grey), np.deg2rad(rng.normal(0, _TILT))
    level = np.float32(max(0.0, rng.uniform(-_GREY, _GREY)))
    penumbra = rng.uniform(1, 4)
    opened = rng.uniform(*_OPEN, 4) * size / 2
    shut = rng.random(4) < _SHUTTERS
    place = (np.arange(size) + 0.5 - size / 2).astype(np.float32)
    light = np.float32(1)
    for turn in np.flatnonzero(shut):
        angle = tilt + turn * np.pi / 2
        x, y = np.cos(angle), np.sin(angle)
        reach = ((kept - size / 2) @ (x, y)).max(initial=0) + penumbra
        beyond = np.float32(x) * place + np.float32(y) * place[:, None]
        edge = (np.float32(max(opened[turn], reach)) - beyond) / np.float32(penumbra)
        light = light * np.clip(edge + np.float32(0.5), 0, 1)
    return level + (grey - level) * light


def compress(film: np.ndarray, lowest: int, rng: np.random.Generator) -> np.ndarray:
    """Sends half the films (uint8) through JPEG, of a quality from `lowest` on."""
    quality = int(rng.integers(lowest, _BEST + 1))
    if rng.random() < 0.5:
        return film
    stream = io.BytesIO()
    Image.fromarray(film).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream, formats=("JPEG",)))
