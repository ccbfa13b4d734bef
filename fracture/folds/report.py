"""Out-of-fold figures: `out_of_fold.json`, `report.md`, plots, doubtful labels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fracture.card.figures import plot_report
from fracture.card.markdown import render
from fracture.data.datasets import source_labels
from fracture.data.example import DatasetError
from fracture.data.film_table import FilmTable
from fracture.data.labels import label_sets
from fracture.evaluation.cohort import Cohort
from fracture.evaluation.evaluate import evaluate, severity_figures
from fracture.evaluation.metrics import auroc, bootstrap
from fracture.folds.answers import cross_calibrate, predictions, serve
from fracture.folds.cross_validation import load_teachers, place_of
from fracture.folds.doubts import write_doubts
from fracture.folds.held_out import FILMS_FILE, HeldOut
from fracture.model.calibration import Serving
from fracture.training.run import Run

REPORT_FILE = "out_of_fold.json"
_TEMPLATE = Path(__file__).parent / "templates" / "report.md"


def report_folds(
    run: Run, folder: Path, done: Sequence[int], count: int, ensemble: bool = False
) -> dict:
    """Writes what the finished folds say together.

    Args:
        run: over all films.
        folder: of the folds; gets the report, its plots and the doubtful labels.
        done: the finished folds.
        count: how many there are in all.
        ensemble: whether to look at the test films, too: by all networks together. It
            is for the last look at a recipe, not for choosing one.

    Returns:
        The content of `out_of_fold.json`, plain JSON types.

    Raises:
        DatasetError: a fold's files are damaged or of other films.
    """
    parts = [HeldOut.load(place_of(folder, fold) / FILMS_FILE) for fold in done]
    held = HeldOut.joined(parts)
    table = _named(run.table, held.names)
    labels = source_labels(run.table.examples)
    sets = np.stack([label_sets(e.label, labels[e.source]) for e in table.examples])
    serving, calibrations = serve(held, sets), cross_calibrate(held, sets)
    recipe, answers = (
        run.recipe,
        Cohort(
            table.examples,
            table.groups,
            predictions(held, table.films, run.recipe, serving, calibrations),
        ),
    )
    report = {
        "recipe": recipe.to_dict(),
        "seed": run.seed,
        "folds": count,
        "finished": list(done),
        "serving": serving.to_dict(),
        "figures": evaluate(answers.examples, answers.groups, answers.predictions),
        "by_fold": _by_fold(answers, held.fold),
        "doubtful": write_doubts(folder, table, held, answers.predictions),
    }
    if ensemble:
        report |= _look_at_test(run, folder, done, serving, answers)
    text = json.dumps(report, indent=2) + "\n"
    (folder / REPORT_FILE).write_text(text, encoding="utf-8")
    plot_report(report["figures"], folder / "figures")
    (folder / "report.md").write_text(render(_TEMPLATE, **report), encoding="utf-8")
    return report


def read_report(folder: str | Path) -> dict:
    """A report of `report_folds`, all of whose folds are finished.

    Raises:
        DatasetError: there is none, or it is not of all folds.
    """
    path = Path(folder) / REPORT_FILE
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        whole = len(report["finished"]) == report["folds"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{folder} holds no report of --folds") from error
    if not whole:
        raise DatasetError(f"{path} is of some folds only: finish them first")
    return report


def figures_of(report: Mapping) -> dict:
    """What a model card carries of a report: figures, and whose they are."""
    kept = {"recipe": report["recipe"]["name"], "folds": report["folds"]}
    beside = ("ensemble", "severity_of_all")
    kept |= {name: report[name] for name in beside if name in report}
    return {**kept, **report["figures"]}


def _named(table: FilmTable, names: Sequence[str]) -> FilmTable:
    """The films of these names, in their order."""
    at = {example.name: index for index, example in enumerate(table.examples)}
    if lacking := [name for name in names if name not in at]:
        raise DatasetError(f"the folds are of other data: there is no {lacking[0]}")
    rows = [at[name] for name in names]
    columns = (table.examples, table.films, table.splits)
    return FilmTable(*([column[row] for row in rows] for column in columns))


def _by_fold(films: Cohort, fold: np.ndarray) -> list[dict]:
    """How far the folds differ: fracture against normal, where a source tells both."""
    rows = []
    normal = {e.source for e in films.examples if e.label == "normal"}
    speaks = np.array([example.source in normal for example in films.examples])
    for number in np.unique(fold):
        part = films.where(speaks & (fold == number))
        figure = bootstrap(auroc, part.groups, part.fractured, part.score)
        counts = {"films": len(part.examples), "fractured": int(part.fractured.sum())}
        rows.append({"fold": int(number), **counts, "auroc": figure})
    return rows


def _look_at_test(
    run: Run, folder: Path, done: Sequence[int], serving: Serving, films: Cohort
) -> dict:
    """Test films by all networks together, and severity over all films of a source.

    For the latter each test film counts with what one network says, like any other, or
    the few films would be judged by unlike judges.
    """
    test, said = run.table.of("test"), []
    for fold, teacher in zip(done, load_teachers(folder, done), strict=True):
        said.append(
            HeldOut.of(teacher.network, run.served("test", teacher.network), fold)
        )

    def cohort(held: HeldOut) -> Cohort:
        calibrations = {int(fold): serving.calibration for fold in np.unique(held.fold)}
        answers = predictions(held, test.films, run.recipe, serving, calibrations)
        return Cohort(test.examples, test.groups, answers)

    together, singly = cohort(HeldOut.mean(said)), [cohort(held) for held in said]
    groups = np.unique(test.groups)
    judge = {group: singly[i % len(singly)] for i, group in enumerate(groups)}
    dealt = [judge[g].predictions[i] for i, g in enumerate(test.groups)]
    both = Cohort(
        [*films.examples, *test.examples],
        np.concatenate([films.groups, test.groups]),
        [*films.predictions, *dealt],
    )
    return {
        "ensemble": evaluate(together.examples, together.groups, together.predictions),
        "severity_of_all": severity_figures(both),
    }
