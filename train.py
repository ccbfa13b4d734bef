"""Trains the classifier in two phases; writes a weights folder that explains itself.

    python train.py                     phantom films: see all of it work, no data
    python train.py --data FOLDER       your films, the default recipe
    python train.py --data FOLDER --train-only SOURCE --out weights --resume

FOLDER holds class folders (`normal/ hairline/ displaced/`, or `fractured/` beside
`normal/`), a `manifest.csv`, FracAtlas or MURA as published. The run reads the films,
splits them by group 70 / 15 / 15, trains the head on the frozen backbone, fine-tunes,
calibrates on the validation films, evaluates on the test films, exports to ONNX and
renders the model card. It checkpoints after every epoch: after a kill, add --resume.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # whose ONNX export is used

from fracture.classes import MAPS
from fracture.classifier import FractureClassifier
from fracture.training.calibration import Calibration, operating_points
from fracture.training.card import write_card
from fracture.training.datasets import (
    DatasetError,
    load_examples,
    source_labels,
    write_phantoms,
)
from fracture.training.evaluation import evaluate, predict_films
from fracture.training.export import export_weights
from fracture.training.faithfulness import deletion, weight_randomisation
from fracture.training.figures import plot_curves
from fracture.training.films import FilmSequence, read_films
from fracture.training.fit import Progress, train, write_history
from fracture.training.gradcam import gradcam_difference
from fracture.training.recipes import RECIPES
from fracture.training.splits import (
    near_duplicate_groups,
    read_split,
    split_examples,
    write_split,
)


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of films; default: phantoms")
    parser.add_argument("--recipe", choices=RECIPES, help="default: mobilenetv2; quick")
    parser.add_argument("--out", type=Path, help="default: runs/RECIPE")
    parser.add_argument("--card", type=Path, help="default: OUT/MODEL_CARD.md")
    parser.add_argument(
        "--train-only",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="sources whose labels are too noisy to evaluate on",
    )
    parser.add_argument(
        "--backbone-weights",
        default="imagenet",
        metavar="FILE",
        help="'none' starts from scratch (default: imagenet, which downloads them)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="continue a stopped run")
    parser.add_argument(
        "--phantoms", type=int, default=400, help="films per class without --data"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_arguments(argv)
    recipe = RECIPES[args.recipe or ("mobilenetv2" if args.data else "quick")]
    out = args.out or Path("runs") / recipe.name
    checkpoints = out / "checkpoint"
    if checkpoints.exists() and not args.resume:
        raise DatasetError(f"{checkpoints} holds a run: add --resume, or delete it")
    checkpoints.mkdir(parents=True, exist_ok=True)
    initial = args.backbone_weights if recipe.pretrained else "none"

    # --- films ---
    data = args.data or write_phantoms(out / "phantoms", args.phantoms, args.seed)
    examples = load_examples(data)
    readable = read_films(examples)
    examples = [examples[i] for i in readable]
    films = list(readable.values())

    # --- split ---
    if (checkpoints / "split.csv").is_file():
        names = read_split(checkpoints / "split.csv")
        splits = [names[example.name] for example in examples]
    else:
        known = all(example.group for example in examples)
        groups = (
            [e.group for e in examples]
            if known
            else near_duplicate_groups(examples, films)
        )
        splits = split_examples(examples, groups, args.seed, args.train_only)
        write_split(checkpoints / "split.csv", examples, splits)

    def members(split: str) -> list[int]:
        return [i for i, name in enumerate(splits) if name == split]

    labels_of = source_labels(examples)

    def make_sequence(split: str, size: int, augmented: bool = False) -> FilmSequence:
        chosen = members(split)
        repeats = [
            1
            if examples[i].label == "normal" or examples[i].source in args.train_only
            else recipe.fracture_repeats
            for i in chosen
        ]
        return FilmSequence(
            [films[i] for i in chosen],
            [examples[i] for i in chosen],
            size,
            recipe.batch_size,
            recipe.augmentation if augmented else None,
            repeats if augmented else None,
            args.seed,
            labels_of,
        )

    # --- two phases ---
    network = train(
        recipe,
        lambda size: (
            make_sequence("train", size, augmented=True),
            make_sequence("validation", size),
        ),
        checkpoints,
        None if initial == "none" else initial,
        args.seed,
    )
    history = Progress.load(checkpoints).history
    write_history(out / "history.csv", history)
    plot_curves(history, out / "figures" / "curves.png")

    # --- calibration and thresholds, on validation films ---
    validation = make_sequence("validation", recipe.image_size)
    outputs = network.predict(validation)
    calibration = Calibration.fit(outputs["logits"], validation.sets)
    can_be_normal = validation.sets[:, 1, 0] == 1
    fractured = validation.sets[:, 0, 0] == 0
    score = 1 - calibration.probabilities(outputs["logits"])[:, 0]
    points = operating_points(fractured[can_be_normal], score[can_be_normal])
    strongest = outputs["heatmaps"][..., MAPS.index("fracture")].max((1, 2))
    reference = float(np.percentile(strongest[can_be_normal & fractured], 75))

    # --- export ---
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for example, split in zip(examples, splits, strict=True):
        by_label = counts.setdefault(example.source, {}).setdefault(
            split, collections.Counter()
        )
        by_label[example.label] += 1
    probe = validation.squares[:64, ..., None]
    difference = export_weights(
        out, recipe, network, calibration, points, reference, counts, probe
    )
    shutil.copy(checkpoints / "split.csv", out / "split.csv")

    # --- evaluation of what was exported ---
    classifier = FractureClassifier.from_pretrained(out)
    reports = {}
    for split in ("validation", "test"):
        chosen = members(split)
        reports[split] = evaluate(
            [examples[i] for i in chosen],
            [examples[i].group or examples[i].name for i in chosen],
            predict_films(classifier, [films[i] for i in chosen], split),
        )
    test = make_sequence("test", recipe.image_size)
    broken = test.sets[:, 0, 0] == 0
    groups = np.array([examples[i].group or examples[i].name for i in members("test")])
    explained = (test.squares[broken, ..., None], groups[broken])
    metrics = {
        "model_version": classifier.config.model_version,
        "command": shlex.join(["python", "train.py", *(argv or sys.argv[1:])]),
        "recipe": recipe.to_dict(),
        "parameters": network.count_params(),
        "seed": args.seed,
        "data": counts,
        "calibration": calibration.to_dict(),
        "operating_points": points,
        "parity": {
            "export_difference": difference,
            "gradcam_relative_difference": gradcam_difference(network, probe),
        },
        **reports,
        "explanation": {
            "randomisation": weight_randomisation(network, *explained),
            "deletion": deletion(classifier, *explained),
        },
    }
    text = json.dumps(metrics, indent=2) + "\n"
    (out / "metrics.json").write_text(text, encoding="utf-8")
    write_card(out, args.card or out / "MODEL_CARD.md")
    print(f"weights, metrics and figures are in {out}")


if __name__ == "__main__":
    try:
        main()
    except DatasetError as error:
        sys.exit(f"train.py: {error}")
