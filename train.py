"""Trains the classifier in two phases; writes a weights folder that explains itself.

    python train.py                     phantom films: see all of it work, no data
    python train.py --data FOLDER       your films, the default recipe
    python train.py --data FOLDER --train-only SOURCE --out weights --resume
    python train.py --data FOLDER --push-to user/name
    python train.py --data FOLDER --compare mobilenetv2,cnn-150 --minutes 10
    python train.py --data FOLDER --search --trials 30 --minutes 10

FOLDER holds class folders (`normal/ hairline/ displaced/`, or `fractured/` beside
`normal/`), a `manifest.csv`, FracAtlas or MURA as published. The run reads the films,
splits them by group 70 / 15 / 15, trains the head on the frozen backbone, fine-tunes,
calibrates on the validation films, evaluates on the test films, exports to ONNX and
renders the model card. It checkpoints after every epoch: after a kill, add --resume.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # whose ONNX export is used

from fracture.card.card import write_card
from fracture.card.figures import plot_curves, plot_report
from fracture.classes import CLASSES
from fracture.classifier import FractureClassifier
from fracture.data.datasets import DatasetError, write_phantoms
from fracture.data.film_table import FilmTable, load_table
from fracture.data.non_radiographs import non_radiographs
from fracture.data.phantom import draw_phantom
from fracture.evaluation.evaluate import evaluate, predict_films
from fracture.evaluation.faithfulness import deletion, weight_randomisation
from fracture.evaluation.novelty import novelty_figures, unseen_kinds
from fracture.evaluation.thresholds import part_operating_points
from fracture.experiments.comparison import ComparisonError, compare
from fracture.experiments.search import PUBLISHED, search
from fracture.model.auxiliary_outputs import (
    NoveltyDetector,
    embed,
    fit_body_parts,
    install_novelty,
)
from fracture.model.export import export_weights
from fracture.model.gradcam import gradcam_difference
from fracture.model.network import BackboneError, backbone_weights
from fracture.model.recipes import RECIPES
from fracture.publishing.model_repository import publish
from fracture.radiograph.letterbox import make_squares
from fracture.training.fit import Progress, write_history
from fracture.training.run import Run
from fracture.weights import WeightsError

_NON_RADIOGRAPHS = 200  # pictures of each kind that are no limb radiographs


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of films; default: phantoms")
    parser.add_argument(
        "--recipe",
        choices=RECIPES,
        help=f"default: mobilenetv2; phantoms: quick; --search: {PUBLISHED}",
    )
    several = parser.add_mutually_exclusive_group()
    several.add_argument(
        "--compare",
        type=recipe_names,
        metavar="A,B,...",
        help="train these recipes on the same split in the same time, or `all`, and "
        "write OUT/comparison.md (default of OUT: runs/comparison)",
    )
    several.add_argument(
        "--search",
        action="store_true",
        help="search the published grid of hyperparameters on validation films, and "
        "write OUT/search.md (default of OUT: runs/search)",
    )
    parser.add_argument(
        "--trials",
        type=int,
        default=30,
        help="points of the grid that --search trains at (default: %(default)d)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=5.0,
        help="of training for each recipe of --compare and each trial of --search "
        "(default: %(default)g)",
    )
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
        metavar="WEIGHTS",
        help="what the backbone starts from: imagenet (downloaded), a .weights.h5 "
        "file, a folder of such files by name (where one is missing: from scratch), a "
        "weights folder, or none (default: imagenet, phantoms: weights/)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="continue a stopped run")
    parser.add_argument(
        "--phantoms", type=int, default=200, help="films per class without --data"
    )
    parser.add_argument(
        "--push-to",
        metavar="USER/NAME",
        help="publish weights and card on the Hugging Face Hub, see `fracture push`",
    )
    args = parser.parse_args(argv)
    if args.search:
        args.recipe = args.recipe or PUBLISHED
        if RECIPES[args.recipe].backbone != "mobilenetv2":
            parser.error(
                "--search needs a recipe of MobileNetV2: its grid is of widths"
            )
        if args.trials < 1:
            parser.error("--trials: at least one")
    return args


def recipe_names(text: str) -> list[str]:
    """`A,B,...` or `all`."""
    names = [name for name in RECIPES if name != "quick"]
    names = names if text == "all" else text.split(",")
    if unknown := set(names) - set(RECIPES):
        message = (
            f"no recipe is called {min(unknown)!r}; there are {', '.join(RECIPES)}"
        )
        raise argparse.ArgumentTypeError(message)
    return names


def main(argv: list[str] | None = None) -> None:
    args = parse_arguments(argv)
    if args.compare:
        return run_comparison(args)
    if args.search:
        return run_search(args)
    recipe = RECIPES[args.recipe or ("mobilenetv2" if args.data else "quick")]
    shipped = Path(__file__).parent / "weights"
    source = args.backbone_weights or ("imagenet" if args.data else str(shipped))
    initial = backbone_weights(recipe, source)
    if recipe.pretrained and initial is None:
        print(f"there are no weights for {recipe.name} to start from: from scratch")
        recipe = recipe.from_scratch()
    out = args.out or Path("runs") / recipe.name
    checkpoints = start_or_resume(out / "checkpoint", args, recipe=recipe.to_dict())

    # --- films, split by group ---
    table = read_films(out, args)
    run = Run(recipe, table, args.seed, args.train_only)

    # --- two phases ---
    network = run.train(checkpoints, initial)
    history = Progress.load(checkpoints).history
    write_history(out / "history.csv", history)
    plot_curves(history, out / "figures" / "curves.png")

    # --- what else the features tell: fitted on training films and non-radiographs ---
    learned = table.of("train")
    embedding = embed(network, learned.squares(recipe.image_size))
    tags = [example.tags for example in learned.examples]
    body_parts = fit_body_parts(network, embedding, tags)
    # Limbs that are drawn count as films: that it is drawn must give nothing away.
    drawn = [
        draw_phantom(label, seed).pixels
        for label in CLASSES
        for seed in range(_NON_RADIOGRAPHS // 2)
    ]
    drawn = embed(network, make_squares(drawn, recipe.image_size))
    limbs = np.concatenate([embedding, drawn])
    strange = {
        kind: embed(network, make_squares(pictures, recipe.image_size))
        for kind, pictures in non_radiographs(_NON_RADIOGRAPHS, args.seed, -1).items()
    }
    everything = np.concatenate([*strange.values()])
    install_novelty(network, NoveltyDetector.fit(limbs, everything))

    # --- calibration, thresholds and export, proven equal on validation films ---
    serving, probe = run.calibrate(network)
    difference = export_weights(
        out, recipe, network, serving, body_parts, table.counts(), probe
    )

    # --- evaluation of what was exported ---
    classifier = FractureClassifier.from_pretrained(out)
    parts = {split: table.of(split) for split in ("validation", "test")}
    predictions = {
        split: predict_films(classifier, part.films, split)
        for split, part in parts.items()
    }
    reports = {
        split: evaluate(part.examples, part.groups, predictions[split])
        for split, part in parts.items()
    }
    arguments = [a for a in argv or sys.argv[1:] if a != "--resume"]
    test = run.served("test", network)
    broken = test.sets[:, 0, 0] == 0
    explained = (test.squares[broken, ..., None], parts["test"].groups[broken])
    metrics = {
        "model_version": classifier.config.model_version,
        "command": shlex.join(["python", "train.py", *arguments]),
        "recipe": recipe.to_dict(),
        "parameters": network.count_params(),
        "seed": args.seed,
        "data": table.counts(),
        "calibration": serving.calibration.to_dict(),
        "operating_points": serving.operating_points,
        "part_operating_points": part_operating_points(
            (parts["validation"].examples, predictions["validation"]),
            (parts["test"].examples, parts["test"].groups, predictions["test"]),
        ),
        "parity": {
            "export_difference": difference,
            "gradcam_relative_difference": gradcam_difference(network, probe),
        },
        **reports,
        "explanation": {
            "randomisation": weight_randomisation(network, *explained),
            "deletion": deletion(classifier, *explained),
        },
        "out_of_distribution": novelty_figures(
            classifier,
            non_radiographs(_NON_RADIOGRAPHS, args.seed + 1, -1),
            {split: (parts[split].groups, predictions[split]) for split in parts},
        )
        | {
            "unseen_kinds": unseen_kinds(
                limbs,
                strange,
                embed(network, test.squares[..., None]),
                parts["test"].groups,
            )
        },
    }
    text = json.dumps(metrics, indent=2) + "\n"
    (out / "metrics.json").write_text(text, encoding="utf-8")
    plot_report(reports["test"], out / "figures")
    card = args.card or out / "MODEL_CARD.md"
    write_card(out, card)
    print(f"weights, metrics and figures are in {out}")
    if args.push_to:
        version = publish(out, card, args.push_to)
        print(f"published {version.repository}@{version.tag}, commit {version.commit}")


def run_comparison(args: argparse.Namespace) -> None:
    """Trains and evaluates several recipes alike, and shows them in one table."""
    out = args.out or Path("runs") / "comparison"
    source = args.backbone_weights or "imagenet"
    start_or_resume(out, args, minutes=args.minutes, backbone_weights=source)
    table = read_films(out, args)
    runs = [
        Run(RECIPES[name], table, args.seed, args.train_only) for name in args.compare
    ]
    compare(runs, out, args.minutes, source)
    print((out / "comparison.md").read_text(encoding="utf-8"))


def run_search(args: argparse.Namespace) -> None:
    """Searches the published grid, and shows its trials in one table."""
    out = args.out or Path("runs") / "search"
    recipe = RECIPES[args.recipe]
    source = args.backbone_weights or "imagenet"
    settings = {"minutes": args.minutes, "backbone_weights": source}
    start_or_resume(out, args, recipe=recipe.to_dict(), **settings)
    table = read_films(out, args)
    run = Run(recipe, table, args.seed, args.train_only)
    try:
        search(run, out, args.minutes, source, args.trials)
    except KeyboardInterrupt:
        print(f"\nstopped; {out} keeps what is done: add --resume to go on")
        sys.exit(130)
    print((out / "search.md").read_text(encoding="utf-8"))


def read_films(out: Path, args: argparse.Namespace) -> FilmTable:
    """The films of a run, split by group as `out/split.csv` has it, if it is there."""
    data = args.data or write_phantoms(out / "phantoms", args.phantoms, args.seed)
    return load_table(data, out / "split.csv", args.seed, args.train_only)


def start_or_resume(folder: Path, args: argparse.Namespace, **settings) -> Path:
    """Makes the folder of a run, or makes sure that the one there is of this run.

    Args:
        settings: beside seed and sources, what all that was done there depends on.
    """
    path = folder / "run.json"
    run = {"seed": args.seed, "train_only": sorted(args.train_only), **settings}
    run = json.loads(json.dumps(run))  # as it comes back from a file
    if path.is_file():
        if not args.resume:
            raise DatasetError(f"{folder} holds a run: add --resume, or delete it")
        there = json.loads(path.read_text(encoding="utf-8"))
        if others := [name for name in run if there.get(name) != run[name]]:
            raise DatasetError(f"{folder} is of another {' and '.join(others)}")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run), encoding="utf-8")
    return folder


if __name__ == "__main__":
    try:
        main()
    except (BackboneError, ComparisonError, DatasetError, WeightsError) as error:
        sys.exit(f"train.py: {error}")
