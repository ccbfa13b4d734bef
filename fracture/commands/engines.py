"""`engines`: what can run the network here, and what each one changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fracture.commands.options import Weights, extra, fail, told


def engines(
    data: Annotated[
        Path | None,
        typer.Argument(help="The films of the training, to measure the engines anew."),
    ] = None,
    weights: Weights = "weights",
) -> None:
    """Says which engines are at hand and what weights know of them.

    Each runs on films held out of the training; what changes no more than 0.5 %
    of the findings is proven, and --engine auto takes the fastest of these.

    With DATA they are measured here and written to metrics.json; render the card after
    that: python -m fracture.card FOLDER MODEL_CARD.md
    """
    from fracture.engine import (
        DEFAULT,
        ENGINES,
        MOST_CHANGED,
        EngineError,
        load_engine,
        proofs,
    )
    from fracture.hub import SERVING_FILES, resolve
    from fracture.weights import METRICS_FILE, WeightsConfig

    with told():
        config = WeightsConfig.load(resolve(weights, (*SERVING_FILES, METRICS_FILE)))
        if data:
            _measure(config.folder, data)
        known = proofs(config)
        for name in ENGINES:
            try:
                version = load_engine(config, name).version
            except EngineError as error:
                version = error.message
            found = known.get(name)
            said = "the default" if name == DEFAULT else "not measured"
            if found and name != DEFAULT:
                proven = found["changed"] <= MOST_CHANGED
                said = (
                    f"changes {found['changed']:.2%} of {found['films']} findings: "
                    f"{'proven' if proven else 'not for auto'}"
                )
            typer.echo(f"{name:18} {said:48} {version}")
        typer.echo(f"auto takes {load_engine(config, 'auto').name}")


def _measure(weights: Path, data: Path) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with extra("engines DATA", "train"):
        from fracture.card.card import read_metrics
        from fracture.data.datasets import DatasetError
        from fracture.evaluation.engines import measure_folder
        from fracture.evaluation.measure import write_metrics
    try:
        metrics = read_metrics(weights)
        metrics["engines"] = measure_folder(weights, data)
    except (DatasetError, OSError, ValueError) as error:
        fail(str(error))
    write_metrics(weights, metrics)
