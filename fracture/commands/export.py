"""`export`: the network for another engine."""

from __future__ import annotations

import enum
import os
from pathlib import Path
from typing import Annotated

import typer

from fracture.commands.options import Weights, extra, fail, told


class Target(str, enum.Enum):
    """Formats, as keras names them."""

    onnx = "onnx"
    litert = "litert"
    openvino = "openvino"
    tf_saved_model = "tf_saved_model"


def export(
    target: Annotated[Target, typer.Argument(help="What to convert to.")],
    weights: Weights = "weights",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Default: the weights' name, here."),
    ] = None,
) -> None:
    """Converts the network; kept only if it computes what the Keras model does.

    Every output is compared on six films in the format's own engine: none may differ by
    more than 1e-4. Input and outputs are those that config.json declares. LiteRT needs
    `pip install "fracture[litert]"`, OpenVINO `fracture[openvino]`, both `[train]`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    from fracture.hub import resolve
    from fracture.weights import KERAS_FILE, WeightsConfig

    with extra("export", "train"):
        from fracture.model.conversion import TARGETS, convert
        from fracture.model.export import ParityError
    form = TARGETS[target.value]
    with told():
        config = WeightsConfig.load(resolve(weights, ["*.json", "*.onnx", KERAS_FILE]))
        out = out or Path(config.values["name"] + form.suffix)
        if out.suffix != form.suffix:
            raise typer.BadParameter(
                f"--out must end with {form.suffix or 'no suffix'}"
            )
        try:
            difference = convert(config.folder, target.value, out)
        except ModuleNotFoundError as error:
            fail(f'export lacks {error.name}: pip install "fracture[{form.extra}]"')
        except (FileExistsError, ParityError) as error:
            fail(str(error))
    typer.echo(f"wrote {out}; it differs from the Keras model by {difference:.1e}")
