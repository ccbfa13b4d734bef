"""Fixed steps between the film and the backbone, part of the graph and its export.

Each takes grey levels 0..255 as float32 `(n, size, size, channels)`.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

_SIGMA = 1.0  # pixels, of the Gaussian filter
# Scale and cycles of the Schmid filters whose Gaussian fits into _SCHMID_SIDE pixels.
_SCHMID = ((2, 1), (4, 1), (4, 2), (6, 1), (6, 2), (6, 3))
_SCHMID_SIDE = 25


@keras.saving.register_keras_serializable(package="fracture")
class ContrastStretch(keras.layers.Layer):
    """Stretches each film from its own darkest to its own brightest level: 0..255."""

    def call(self, grey):
        low = keras.ops.min(grey, axis=(1, 2, 3), keepdims=True)
        high = keras.ops.max(grey, axis=(1, 2, 3), keepdims=True)
        return (grey - low) * (255.0 / keras.ops.maximum(high - low, 1.0))


def gaussian(grey):
    """Noise reduction: a Gaussian filter of one pixel."""
    x = np.arange(-3, 4)
    bell = np.exp(-(x**2) / (2 * _SIGMA**2))
    kernel = np.outer(bell, bell)
    return _fixed(grey, kernel[..., None] / kernel.sum(), "gaussian")


def contrast(grey):
    """Contrast adjustment, see `ContrastStretch`."""
    return ContrastStretch(name="contrast")(grey)


def schmid(grey):
    """Rings that answer to lines of any direction (Schmid, CVPR 2001): six channels."""
    x = np.arange(_SCHMID_SIDE) - _SCHMID_SIDE // 2
    radius = np.hypot(*np.meshgrid(x, x))
    rings = []
    for sigma, cycles in _SCHMID:
        bell = np.exp(-(radius**2) / (2 * sigma**2))
        ring = np.cos(np.pi * cycles * radius / sigma) * bell
        ring -= bell * ring.sum() / bell.sum()  # even grey gives nothing
        rings.append(ring / np.abs(ring).sum())
    return _fixed(grey, np.stack(rings, axis=-1), "schmid")


def _fixed(grey, kernels: np.ndarray, name: str):
    """Convolves one channel with `(side, side, filters)`, which no phase trains."""
    kernels = kernels[:, :, None].astype(np.float32)
    return keras.layers.Conv2D(
        kernels.shape[-1],
        kernels.shape[0],
        padding="same",
        use_bias=False,
        kernel_initializer=lambda shape, dtype=None: keras.ops.convert_to_tensor(
            kernels, dtype
        ),
        trainable=False,
        name=name,
    )(grey)


FILTERS: dict[str, Callable] = dict(gaussian=gaussian, contrast=contrast, schmid=schmid)
