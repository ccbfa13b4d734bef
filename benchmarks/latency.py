"""How long a film takes: this package against what every tutorial does.

    python benchmarks/latency.py [--weights weights] [--side 1000] [--repeats 30]

Both start from the bytes of the same JPEG and end with probabilities and heatmaps at
the film's size, on the same network:

* fracture: `FractureClassifier.predict`, all heatmaps (three classes and fracture)
* tutorial: `keras.Model.predict`, then Grad-CAM with an eager `GradientTape`, one class
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from fracture import FractureClassifier, read_radiograph
from fracture.data.phantom import draw_phantom
from fracture.model.network import load_network
from fracture.radiograph.letterbox import Letterbox


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="weights")
    parser.add_argument("--side", type=int, default=1000, help="of the film, pixels")
    parser.add_argument("--repeats", type=int, default=30)
    args = parser.parse_args()

    phantom = draw_phantom("displaced", 1, (args.side, args.side)).pixels
    buffer = io.BytesIO()
    Image.fromarray(phantom).save(buffer, "JPEG", quality=90)
    film = buffer.getvalue()

    classifier = FractureClassifier.from_pretrained(args.weights)
    recipe, network = load_network(args.weights)
    predictor = keras.Model(network.input, network.output["logits"])
    explainer = keras.Model(
        network.input, [network.get_layer("features").output, network.output["logits"]]
    )

    def ours() -> list[np.ndarray]:
        prediction = classifier.predict(film)
        return [prediction.heatmap, *prediction.heatmaps.values()]

    def tutorial() -> list[np.ndarray]:
        pixels = read_radiograph(film).pixels
        letterbox = Letterbox(*pixels.shape, recipe.image_size)
        square = letterbox.apply(pixels)[None, ..., None]
        best = int(predictor.predict(square, verbose=0)[0].argmax())
        with tf.GradientTape() as tape:
            features, logits = explainer(square)
            score = logits[:, best]
        weights = tf.reduce_mean(tape.gradient(score, features), axis=(1, 2))
        grid = tf.nn.relu(tf.einsum("nhwk,nk->nhw", features, weights))
        return [*letterbox.to_film(grid.numpy(), *classifier.config.heatmap_grid)]

    print(f"one {args.side} x {args.side} JPEG, network at {recipe.image_size} px, ms")
    print(f"{'':10}{'median':>8}{'95 %':>8}")
    medians = {}
    for path in (ours, tutorial):
        median, tail = measure(path, args.repeats)
        medians[path] = median
        print(f"{path.__name__:10}{median:8.1f}{tail:8.1f}")
    print(f"{medians[tutorial] / medians[ours]:.1f} times faster")


def measure(path: Callable[[], list[np.ndarray]], repeats: int) -> tuple[float, float]:
    """Median and 95th percentile of its duration, milliseconds, after a warm-up."""
    for _ in range(3):
        path()
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        path()
        durations.append(1000 * (time.perf_counter() - start))
    return float(np.median(durations)), float(np.percentile(durations, 95))


if __name__ == "__main__":
    main()
