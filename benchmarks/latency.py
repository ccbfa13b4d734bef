"""How long one film takes, stage by stage, and against what every tutorial does.

    python benchmarks/latency.py [--weights weights] [--side 1000] [--repeats 30]

All start from the bytes of the same JPEG, on the same network:

* predict: `FractureClassifier.predict` and all heatmaps at the film's size
* bare engine: the engine alone on a letterboxed film
* keras predict: `keras.Model.predict` on a letterboxed film, no heatmap
* tutorial: `keras.Model.predict`, then Grad-CAM with an eager `GradientTape`, one class

Paths take turns, so that a busy machine is busy for each of them.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from common import films, table
from common import middle as shown

from fracture import EngineError, FractureClassifier, read_radiograph
from fracture.engine import DEFAULT, ENGINES, load_engine
from fracture.radiograph.letterbox import Letterbox, make_squares


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="weights")
    parser.add_argument("--side", type=int, default=1000, help="of the film, pixels")
    parser.add_argument("--repeats", type=int, default=30)
    args = parser.parse_args()

    (film,) = films(1, args.side)
    paths = stages(args.weights, film)
    fastest = load_engine(
        FractureClassifier.from_pretrained(args.weights).config, "auto"
    )
    for name in ENGINES:
        try:
            classifier = FractureClassifier.from_pretrained(args.weights, engine=name)
        except EngineError:
            continue
        paths |= engine_paths(classifier, film)
    paths |= keras_paths(args.weights, film)
    found = take_turns(paths, args.repeats)
    table(
        ("path", "median, ms", "95 %, ms"),
        [(name, *shown(times).split(" | ")) for name, times in found.items()],
    )
    median = {name: np.median(times) for name, times in found.items()}
    print()
    for name in dict.fromkeys((DEFAULT, fastest.name)):
        ours, bare = median[f"predict, {name}"], median[f"bare engine, {name}"]
        print(f"predict is {ours / bare:.2f} times the bare engine ({name})")
        print(f"the tutorial is {median['tutorial'] / ours:.1f} times predict ({name})")
    print(f"auto takes {fastest.name}")


def stages(weights: str, film: bytes) -> dict:
    """What predict does beside the network."""
    classifier = FractureClassifier.from_pretrained(weights)
    read = read_radiograph(film)
    size = classifier.config.image_size

    def answer() -> dict:
        return classifier._prediction(read, one).to_dict()

    squares = make_squares([read.pixels], size)
    one = {k: v[0] for k, v in classifier.run_squares(squares).items()}
    return {
        "stage: read": lambda: read_radiograph(film),
        "stage: letterbox": lambda: make_squares([read.pixels], size),
        "stage: answer as JSON": answer,
    }


def engine_paths(classifier: FractureClassifier, film: bytes) -> dict:
    """predict with its maps, and the engine alone."""
    pixels = read_radiograph(film).pixels
    squares = make_squares([pixels], classifier.config.image_size)
    name = classifier.engine.name

    def predict() -> list[np.ndarray]:
        prediction = classifier.predict(film)
        return [prediction.heatmap, *prediction.heatmaps.values()]

    return {
        f"predict, {name}": predict,
        f"bare engine, {name}": lambda: classifier.run_squares(squares),
    }


def keras_paths(weights: str, film: bytes) -> dict:
    """The same network as tutorials use it."""
    import keras
    import tensorflow as tf

    from fracture.model.network import load_network

    classifier = FractureClassifier.from_pretrained(weights)
    recipe, network = load_network(weights)
    predictor = keras.Model(network.input, network.output["logits"])
    explainer = keras.Model(
        network.input, [network.get_layer("features").output, network.output["logits"]]
    )
    pixels = read_radiograph(film).pixels
    letterbox = Letterbox(*pixels.shape, recipe.image_size)
    ready = letterbox.apply(pixels)[None, ..., None]

    def tutorial() -> list[np.ndarray]:
        pixels = read_radiograph(film).pixels
        square = letterbox.apply(pixels)[None, ..., None]
        best = int(predictor.predict(square, verbose=0)[0].argmax())
        with tf.GradientTape() as tape:
            features, logits = explainer(square)
            score = logits[:, best]
        weights = tf.reduce_mean(tape.gradient(score, features), axis=(1, 2))
        grid = tf.nn.relu(tf.einsum("nhwk,nk->nhw", features, weights))
        return [*letterbox.to_film(grid.numpy(), *classifier.config.heatmap_grid)]

    return {
        "keras predict": lambda: predictor.predict(ready, verbose=0),
        "tutorial": tutorial,
    }


def take_turns(paths: dict, repeats: int) -> dict[str, list[float]]:
    """Milliseconds of each path, `repeats` times, one after the other."""
    from common import durations

    for work in paths.values():
        durations(work, 1)
    found: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(repeats):
        for name, work in paths.items():
            found[name] += durations(work, 1, warm_up=0)
    return found


if __name__ == "__main__":
    main()
