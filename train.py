"""Trains the classifier in phases; writes a weights folder that explains itself.

    python train.py                     phantom films: see all of it work, no data
    python train.py --data FOLDER       your films, the default recipe
    python train.py --data FOLDER --train-only SOURCE --out weights --resume
    python train.py --data FOLDER --push-to user/name
    python train.py --data FOLDER --compare p1
    python train.py --data FOLDER --search --trials 30 --minutes 10
    python train.py --data FOLDER --folds 5 --out runs/folds
    python train.py --data FOLDER --out-of-fold runs/folds
    python train.py --data FOLDER --distil runs/folds

FOLDER holds class folders (`normal/ hairline/ displaced/`, or `fractured/` beside
`normal/`), a `manifest.csv`, or FracAtlas, MURA or the Fracture Multi-Region data as
published. The run reads the films, splits them by group 70 / 15 / 15 (or keeps the data
set's own split, --published-split, and measures what that leaks), trains the head
on the frozen backbone, fine-tunes in one or more phases, calibrates on the validation
films, exports to ONNX, measures on the test films and renders the model card. It
checkpoints after every epoch: after a kill, add --resume.

--folds trains a network for each fold of all films but the test films, and reports what
each says of films it never saw (out of fold). With --out-of-fold a network learns from
the validation films, too, and what networks of its kind said out of fold calibrates it.
--distil lets the networks of the folds teach one student, which leaves the validation
films out, unless its own kind was asked:

    python train.py --data FOLDER --folds 5 --distil runs/folds --out runs/students
    python train.py --data FOLDER --distil runs/folds --out-of-fold runs/students
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # whose ONNX export is used

from fracture.card.card import write_card
from fracture.card.figures import plot_curves, plot_report
from fracture.data.datasets import DatasetError, write_phantoms
from fracture.data.film_table import FilmTable, load_table
from fracture.data.splits import SPLIT_FILE
from fracture.evaluation.measure import measure, write_metrics
from fracture.experiments.comparison import ComparisonError, compare
from fracture.experiments.papers import PAPERS
from fracture.experiments.search import PUBLISHED, search
from fracture.folds.cross_validation import (
    FOLDS_FILE,
    deal,
    finished,
    load_teachers,
    recipe_of,
    train_fold,
)
from fracture.folds.report import figures_of, read_report, report_folds
from fracture.folds.teachers import is_weights, recipe_in, teachers_in
from fracture.model.auxiliary_outputs import Exposure, fit_auxiliary_outputs
from fracture.model.calibration import Serving
from fracture.model.export import ParityError, export_weights
from fracture.model.network import BackboneError, backbone_weights
from fracture.model.own_recipes import DEFAULT, STUDENT
from fracture.model.recipe import Recipe, RecipeError
from fracture.model.recipes import RECIPES
from fracture.publishing.model_repository import publish
from fracture.training.checkpoint import HISTORY_FILE, Progress, write_history
from fracture.training.run import Run
from fracture.training.stages import stage
from fracture.weights import WeightsError

_ERRORS = (
    *(BackboneError, ComparisonError, DatasetError),
    *(ParityError, RecipeError, WeightsError),
)


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of films; default: phantoms")
    parser.add_argument(
        "--recipe",
        choices=RECIPES,
        help=f"default: {DEFAULT}, of --distil {STUDENT}, of --search {PUBLISHED}, "
        "of phantoms quick",
    )
    several = parser.add_mutually_exclusive_group()
    several.add_argument(
        "--compare",
        type=recipe_names,
        metavar="A,B,...",
        help="train these recipes on the same split, or those of a paper (`p1` to "
        "`p4`), or `all`, and write OUT/comparison.md and OUT/papers.md (default of "
        "OUT: runs/comparison)",
    )
    several.add_argument(
        "--search",
        action="store_true",
        help="search the published grid of hyperparameters on validation films, and "
        "write OUT/search.md (default of OUT: runs/search)",
    )
    several.add_argument(
        "--folds",
        type=int,
        metavar="N",
        help="cross-validate: train N networks, each without one fold, and write "
        "OUT/report.md (default of OUT: runs/RECIPE-folds)",
    )
    parser.add_argument(
        "--fold",
        type=int,
        nargs="+",
        metavar="N",
        help="train these of the --folds alone; the report is of all that are finished",
    )
    parser.add_argument(
        "--look-at-test",
        action="store_true",
        help="with --folds: report on the test films, too, all networks together; for "
        "the last look, not for choosing",
    )
    parser.add_argument(
        "--distil",
        nargs="+",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="the networks of --folds in a folder, or those of weights folders, teach "
        "together instead of the labels; with --folds the networks of one such folder "
        "teach, each the student of its own fold, which neither sees",
    )
    parser.add_argument(
        "--out-of-fold",
        type=Path,
        metavar="OUT",
        help="train on validation films as well, and calibrate by what the networks of "
        "--folds in this folder said of films that they never saw",
    )
    parser.add_argument(
        "--set",
        dest="changes",
        nargs="+",
        default=[],
        metavar="FIELD=VALUE",
        help="change the recipe: a field and its value in JSON, such as "
        "augmentation.paste=0.1",
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
        help="of training for each trial of --search (default: 5), or for each recipe "
        "of --compare (default: to the recipe's end)",
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
        "--published-split",
        action="store_true",
        help="keep the split that the data set comes with, instead of one by group; "
        "the card then says what it leaks",
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
        "--workers", type=int, metavar="N", help="that make batches; default: the cores"
    )
    parser.add_argument(
        "--processes",
        action="store_true",
        help="make batches in processes, not threads",
    )
    parser.add_argument(
        "--phantoms",
        type=int,
        default=100,
        help="films per class without --data (default: %(default)d)",
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
        args.minutes = args.minutes or 5.0
        if args.trials < 1:
            parser.error("--trials: at least one")
    if args.folds is not None and args.folds < 2:
        parser.error("--folds: at least two")
    if not args.folds and (args.fold or args.look_at_test):
        parser.error("--fold and --look-at-test go with --folds")
    if args.folds and len(args.distil) > 1:
        parser.error("--folds with --distil: the networks of one folder teach")
    if args.folds and (args.out_of_fold or args.push_to):
        parser.error("--folds makes no weights to serve")
    if args.fold and not all(1 <= fold <= args.folds for fold in args.fold):
        parser.error(f"--fold: from 1 to {args.folds}")
    return args


def recipe_names(text: str) -> list[str]:
    """`A,B,...`, a paper, or `all`: the default recipe and every paper's."""
    if text == "all":
        papers = (paper.accuracy for paper in PAPERS.values())
        return [DEFAULT, *itertools.chain.from_iterable(papers)]
    names = [*PAPERS[text].accuracy] if text in PAPERS else text.split(",")
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
    if args.folds:
        return run_folds(args)
    recipe, initial = choose_recipe(args)
    out = args.out or Path("runs") / recipe.name
    settings = {"recipe": recipe.to_dict(), **origins(args)}
    checkpoints = start_or_resume(out / "checkpoint", args, **settings)
    said = read_report(args.out_of_fold) if args.out_of_fold else None
    if said and recipe.chooses_by_validation:
        raise DatasetError(
            f"{recipe.name} stops or picks its epoch by validation films, and with "
            "--out-of-fold there are none"
        )

    with stage("films and their split"):
        for folder in filter(None, (*args.distil, args.out_of_fold)):
            take_split(folder, out, whole=said is not None)
        table = read_films(out, args)
        run = make_run(recipe, table, args)
        teachers = [one for folder in args.distil for one in teachers_in(folder)]
    with stage(f"training, {len(recipe.phases)} phases"):
        network = run.train(checkpoints, initial, teachers=teachers)
        history = Progress.load(checkpoints).history
        write_history(out / HISTORY_FILE, history)
        plot_curves(history, out / "figures" / "curves.png")
    with stage("body part and novelty, fitted on training films"):
        films = table.of("train")
        squares = films.squares(recipe.image_size)
        exposure = Exposure.draw(network, squares, recipe.non_radiographs, args.seed)
        fit_auxiliary_outputs(network, exposure, films.examples, run.parts)
    with stage("calibration, export"):
        if said:
            serving, probe = Serving.from_dict(said["serving"]), squares[:64]
        else:
            serving, probe = run.calibrate(network)
        provenance = table.counts()
        difference = export_weights(
            out, recipe, network, serving, run.parts, provenance, probe
        )

    arguments = [a for a in argv or sys.argv[1:] if a != "--resume"]
    command = shlex.join(["python", "train.py", *arguments])
    at_hand = network, exposure, difference
    metrics = measure(out, table, command, args.seed, *at_hand)
    if said:
        metrics["out_of_fold"] = figures_of(said)
    if teachers:
        metrics["taught"] = {
            "teachers": len(teachers),
            "recipes": [*dict.fromkeys(one.recipe.name for one in teachers)],
            "saw_validation": not all(map(is_weights, args.distil)),
        }
    write_metrics(out, metrics)
    plot_report(metrics["test"], out / "figures")
    card = args.card or out / "MODEL_CARD.md"
    write_card(out, card)
    print(f"weights, metrics and figures are in {out}")
    if args.push_to:
        version = publish(out, card, args.push_to)
        print(f"published {version.repository}@{version.tag}, commit {version.commit}")


def choose_recipe(args: argparse.Namespace) -> tuple[Recipe, str | None]:
    """The recipe and what its backbone starts from; without weights from scratch."""
    default = "quick" if not args.data else STUDENT if args.distil else DEFAULT
    recipe = RECIPES[args.recipe or default]
    recipe = recipe.changed(args.changes)
    shipped = Path(__file__).parent / "weights"
    source = args.backbone_weights or ("imagenet" if args.data else str(shipped))
    initial = backbone_weights(recipe, source)
    if recipe.pretrained and initial is None:
        print(f"there are no weights for {recipe.name} to start from: from scratch")
        recipe = recipe.from_scratch()
    return recipe, initial


def make_run(recipe: Recipe, table: FilmTable, args: argparse.Namespace) -> Run:
    """A recipe on all films, with batches made as asked for."""
    makers = args.workers, args.processes
    return Run(recipe, table, args.seed, args.train_only, *makers)


def run_folds(args: argparse.Namespace) -> None:
    """Cross-validates a recipe: trains what is not finished, reports on what is."""
    recipe, initial = choose_recipe(args)
    out = args.out or Path("runs") / f"{recipe.name}-folds"
    settings = {"recipe": recipe.to_dict(), "folds": args.folds, **origins(args)}
    start_or_resume(out, args, **settings)
    with stage("films, split by group, dealt to folds"):
        if args.distil:
            (masters,) = args.distil
            take_split(masters, out, whole=False)
            shutil.copy(masters / FOLDS_FILE, out / FOLDS_FILE)
        table = read_films(out, args)
        run = make_run(recipe, table, args)
        folds = deal(table, out, args.folds, args.seed, args.train_only)
    for fold in args.fold or range(1, args.folds + 1):
        with stage(f"fold {fold} of {args.folds}"):
            teachers = load_teachers(masters, [fold]) if args.distil else []
            train_fold(run, folds, fold, out, initial, teachers)
    with stage("figures out of fold"):
        done = finished(out, args.folds)
        report_folds(run, out, done, args.folds, args.look_at_test)
    print(f"{out / 'report.md'} is of folds {', '.join(map(str, done))}")


def origins(args: argparse.Namespace) -> dict[str, str]:
    """The recipes of those that a run learns from or is calibrated by."""
    found = {}
    if args.distil:
        found["distil"] = ", ".join(recipe_in(path).name for path in args.distil)
    if args.out_of_fold:
        found["out_of_fold"] = recipe_of(args.out_of_fold).name
    return found


def take_split(folder: Path, out: Path, whole: bool) -> None:
    """Splits films as a folder of --folds has them: its test films stay test films.

    Args:
        whole: whether validation films train as well.

    Raises:
        DatasetError: `out` has another split already.
    """
    path = folder / SPLIT_FILE
    if not path.is_file():
        raise DatasetError(f"{folder} holds no split of --folds")
    text = path.read_text(encoding="utf-8")
    text = re.sub("^validation,", "train,", text, flags=re.M) if whole else text
    there = out / SPLIT_FILE
    out.mkdir(parents=True, exist_ok=True)
    if there.is_file() and sorted(there.read_text("utf-8").split()) != sorted(
        text.split()
    ):
        raise DatasetError(f"{there} is another split than that of {path}")
    there.write_text(text, encoding="utf-8")


def run_comparison(args: argparse.Namespace) -> None:
    """Trains and evaluates several recipes alike, and shows them in one table."""
    out = args.out or Path("runs") / "comparison"
    source = args.backbone_weights or "imagenet"
    start_or_resume(out, args, minutes=args.minutes, backbone_weights=source)
    table = read_films(out, args)
    runs = [
        Run(RECIPES[name], table, args.seed, args.train_only) for name in args.compare
    ]
    compare(runs, out, source, args.minutes)
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
    search(run, out, args.minutes, source, args.trials)
    print((out / "search.md").read_text(encoding="utf-8"))


def read_films(out: Path, args: argparse.Namespace) -> FilmTable:
    """The films of a run, split as `out/split.csv` has it, if it is there."""
    data = args.data or write_phantoms(out / "phantoms", args.phantoms, args.seed)
    how = args.seed, args.train_only, args.published_split
    return load_table(data, out / SPLIT_FILE, *how)


def start_or_resume(folder: Path, args: argparse.Namespace, **settings) -> Path:
    """Makes the folder of a run, or makes sure that the one there is of this run.

    Args:
        settings: beside seed and sources, what all that was done there depends on.
    """
    path = folder / "run.json"
    run = {"seed": args.seed, "train_only": sorted(args.train_only), **settings}
    if args.published_split:
        run["published_split"] = True
    run = json.loads(json.dumps(run))  # as it comes back from a file
    if path.is_file():
        if not args.resume:
            raise DatasetError(f"{folder} holds a run: add --resume, or delete it")
        there = json.loads(path.read_text(encoding="utf-8"))
        names = sorted(run.keys() | there.keys())
        if others := [name for name in names if there.get(name) != run.get(name)]:
            raise DatasetError(f"{folder} is of another {' and '.join(others)}")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run), encoding="utf-8")
    return folder


def run(argv: list[str] | None = None) -> None:
    """`main`, whose errors and Ctrl-C end with a sentence instead of a traceback."""
    try:
        main(argv)
    except _ERRORS as error:
        sys.exit(f"train.py: {error}")
    except KeyboardInterrupt:
        print("\ntrain.py: stopped; what is done is kept, add --resume to go on")
        sys.exit(130)


if __name__ == "__main__":
    run()
