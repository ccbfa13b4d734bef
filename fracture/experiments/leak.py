"""What rotated copies on both sides of a split do to a figure, as an experiment.

Some films are copied, each copy turned a little; the same recipe is then trained and
tested on two splits of the same pictures: by file, which puts copies of one film on
both sides, and by film, which keeps whole groups of films together.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from pathlib import Path

import keras
import numpy as np
from matplotlib import pyplot
from PIL import Image

from fracture.card.figures import BLUE, GREY, ORANGE, save_figure
from fracture.card.markdown import render
from fracture.data.datasets import load_examples
from fracture.data.duplicates import near_duplicate_groups
from fracture.data.example import DatasetError, Example
from fracture.data.film_table import FilmTable, read_readable
from fracture.data.splits import split_examples
from fracture.evaluation import metrics
from fracture.evaluation.metrics import Bootstrap
from fracture.model.network import backbone_weights
from fracture.model.recipe import Recipe
from fracture.training.run import Run

_TEMPLATE = Path(__file__).parent / "templates" / "leak.md"
_SIDE = 512  # pixels of a copy's longer side, at most
_TURN = 30  # degrees that a copy is turned by, at most
WAYS = ("by file", "by film")


def leak(
    data: Path,
    folder: Path,
    recipe: Recipe,
    source: str,
    films: int,
    copies: int,
    seed: int,
    train_only: Collection[str] = (),
) -> dict:
    """Trains and tests a recipe on both splits; goes on where `folder` stands.

    Writes `leak.json`, `leak.md` and `leak.png`.

    Args:
        data: a folder of films with a source that has normal and fractured ones.
        source: of the backbone's weights, see `backbone_weights`.
        films: half of them fractured, drawn from the largest such source.
        copies: pictures of each film, the film itself among them.
        seed: of the draw, the angles, the splits and the training.
        train_only: sources that are left out.

    Returns:
        Plain JSON types; `rows`: for each split `train` and `test` pictures, `shared`
        (test pictures whose film trains, too), and figures on the test pictures, drawn
        by group: `accuracy` at 0.5 and `auroc`.

    Raises:
        DatasetError: there are not as many films of both labels.
        BackboneError: the initial weights cannot be had.
    """
    initial = backbone_weights(recipe, source)
    recipe = recipe if initial or not recipe.pretrained else recipe.from_scratch()
    summary = {
        "recipe": recipe.name,
        "initialisation": "ImageNet" if initial else "from scratch",
        "films": films,
        "copies": copies,
        "seed": seed,
    }
    _own(folder, {**summary, "data": str(data), "plan": recipe.to_dict()})
    pictures = make_pictures(data, films, copies, seed, train_only)
    summary |= {"source": pictures.examples[0].source, "rows": []}
    for way in WAYS:
        finished = folder / way.replace(" ", "-") / "row.json"
        finished.parent.mkdir(parents=True, exist_ok=True)
        if not finished.is_file():
            print(f"\n=== {recipe.name}, split {way} ===")
            row = _train_and_test(pictures, way, recipe, initial, finished.parent, seed)
            finished.write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
        summary["rows"].append(json.loads(finished.read_text(encoding="utf-8")))
    text = json.dumps(summary, indent=2) + "\n"
    (folder / "leak.json").write_text(text, encoding="utf-8")
    (folder / "leak.md").write_text(render_leak(summary), encoding="utf-8")
    plot_leak(summary, folder / "leak.png")
    return summary


def _own(folder: Path, settings: dict) -> None:
    """Makes sure that what lies in a folder is of this experiment."""
    path, text = folder / "run.json", json.dumps(settings)
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise DatasetError(f"{folder} holds another experiment: name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def make_pictures(
    data: Path, films: int, copies: int, seed: int, train_only: Collection[str] = ()
) -> FilmTable:
    """Films and their copies, not yet split; `Example.name` is `film/number`.

    Raises:
        DatasetError: there are not as many films of both labels.
    """
    drawn = _draw(data, films // 2, seed, train_only)
    chosen, originals = read_readable(drawn, _shrunk)
    groups = near_duplicate_groups(chosen, list(map(np.asarray, originals)))
    angles = np.random.default_rng(seed).uniform(-_TURN, _TURN, (len(chosen), copies))
    angles[:, 0] = 0
    examples, pictures = [], []
    for example, group, film, turns in zip(
        chosen, groups, originals, angles, strict=True
    ):
        for number, angle in enumerate(turns):
            copy = film.rotate(angle, Image.BILINEAR, expand=True)
            pictures.append(np.asarray(copy))
            name = f"{example.name}/{number}"
            examples.append(
                dataclasses.replace(example, name=name, group=group, boxes=())
            )
    return FilmTable(examples, pictures, ["train"] * len(examples))


def _draw(
    data: Path, each: int, seed: int, train_only: Collection[str]
) -> list[Example]:
    """As many fractured as normal films of the source that has the most of them."""
    kinds: dict[str, tuple[list, list]] = {}
    for example in load_examples(data):
        if example.source not in train_only:
            pair = kinds.setdefault(example.source, ([], []))
            pair[example.label != "normal"].append(example)
    pair = max(kinds.values(), key=lambda pair: min(map(len, pair)), default=([], []))
    if not 0 < each <= min(map(len, pair)):
        message = f"no source has {each} normal and as many fractured films"
        raise DatasetError(message, "too_few_films")
    rng = np.random.default_rng(seed)
    return [kind[i] for kind in pair for i in sorted(rng.permutation(len(kind))[:each])]


def _shrunk(pixels: np.ndarray) -> Image.Image:
    film = Image.fromarray(pixels)
    film.thumbnail((_SIDE, _SIDE))
    return film


def _train_and_test(
    pictures: FilmTable,
    way: str,
    recipe: Recipe,
    initial: str | None,
    folder: Path,
    seed: int,
) -> dict:
    """One split, its training, and what the network says of its test pictures."""
    keras.utils.clear_session()
    names = [example.name for example in pictures.examples]
    films = np.array([name.rpartition("/")[0] for name in names])
    together = names if way == "by file" else pictures.groups
    splits = split_examples(pictures.examples, list(together), seed)
    table = FilmTable(pictures.examples, pictures.films, splits)
    run = Run(recipe, table, seed)
    network = run.train(folder / "checkpoint", initial)
    test = run.served("test", network)
    logits = network.predict(test)["logits"]
    score = 1 - keras.ops.convert_to_numpy(keras.ops.softmax(logits))[:, 0]
    split = np.array(splits)
    truth = np.array([e.label != "normal" for e in test.examples])
    draws = Bootstrap(pictures.groups[split == "test"])
    return {
        "way": way,
        "train": int((split == "train").sum()),
        "test": int((split == "test").sum()),
        "test_films": len(set(films[split == "test"])),
        "shared": int(np.isin(films[split == "test"], films[split == "train"]).sum()),
        "accuracy": draws.share((score >= 0.5) == truth),
        "auroc": draws.figure(metrics.auroc, truth, score),
    }


def render_leak(summary: Mapping) -> str:
    """`leak.md` of `leak.json`."""
    return render(_TEMPLATE, **summary)


def plot_leak(summary: Mapping, path: str | Path) -> None:
    """Accuracy and AUROC of both splits with their intervals."""
    figure, axis = pyplot.subplots(figsize=(6, 4))
    for row, colour, marker in zip(summary["rows"], (ORANGE, BLUE), "os", strict=True):
        for place, key in enumerate(("accuracy", "auroc")):
            value, (low, high) = row[key]["value"], row[key]["ci95"]
            at = place + (-0.12 if row["way"] == WAYS[0] else 0.12)
            label = f"split {row['way']}" if not place else None
            ends = [[value - low], [high - value]]
            axis.errorbar(
                at, value, ends, fmt=marker, color=colour, capsize=4, label=label
            )
            axis.annotate(
                f"{value:.3f}", (at, value), (7, -3), textcoords="offset points"
            )
    axis.axhline(0.5, color=GREY, linestyle=":", linewidth=1, label="chance")
    axis.set_xticks([0, 1], ["accuracy", "AUROC"])
    axis.set_xlim(-0.5, 1.6)
    axis.set_ylabel("on test pictures (95 % interval)")
    axis.set_title(
        f"{summary['recipe']}, {summary['films']} films in {summary['copies']} "
        "copies each",
        fontsize=10,
    )
    axis.legend(frameon=False, loc="lower left")
    save_figure(figure, path)
