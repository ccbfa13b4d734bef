"""`info`, `pull` and `push`: what weights are, and where they come from and go to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from fracture.commands.options import Weights, told
from fracture.weights import MODEL_FILE, WeightsConfig


def info(
    weights: Weights = "weights",
    as_json: Annotated[
        bool, typer.Option("--json", help="All of config.json, for programs.")
    ] = False,
) -> None:
    """Says what weights are: version, checksum, classes, thresholds, input limits."""
    from fracture.hub import resolve
    from fracture.radiograph import MIN_SIDE, read_radiograph

    with told():
        config = WeightsConfig.load(resolve(weights))
    most = read_radiograph.__kwdefaults__
    limits = {"min_side": MIN_SIDE, **most}
    if as_json:
        shown = {"model_version": config.model_version, "limits": limits}
        typer.echo(json.dumps(shown | config.values, indent=2))
        return
    rows = {
        "name": config.values["name"],
        "version": config.values["version"],
        "folder": config.folder,
        "sha256": f"{config.values['files'][MODEL_FILE]} {MODEL_FILE}",
        "classes": ", ".join(config.values["classes"]),
        "trained on": ", ".join(config.values["data"]) or "not told",
        "rule-out": _point(config, "rule_out", "no fracture seen below"),
        "rule-in": _point(config, "rule_in", "fracture suspected from"),
        "films": "PNG, JPEG, TIFF, WebP, BMP, DICOM; "
        f"{MIN_SIDE} x {MIN_SIDE} pixels to {most['max_pixels'] / 1e6:g} million, "
        f"at most {most['max_bytes'] / 2**20:g} MiB",
        "network": f"{config.image_size} x {config.image_size} pixels, aspect kept",
    }
    for name, value in rows.items():
        typer.echo(f"{name:11} {value}")


def _point(config: WeightsConfig, name: str, meaning: str) -> str:
    """An operating point with the figures it was chosen by."""
    text = f"{meaning} {config.operating_points[name]:.1%}"
    figures = config.values["operating_points"][name]
    if "films" not in figures:
        return text
    return (
        f"{text}: sensitivity {figures['sensitivity']:.1%}, specificity "
        f"{figures['specificity']:.1%} on {figures['films']} films held out, "
        f"{figures['fractured']} fractured"
    )


def pull(
    repository: Annotated[str, typer.Argument(metavar="USER/NAME[@REVISION]")],
    to: Annotated[
        Path | None, typer.Option(help="Copy it to this new folder as well.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what retraining and reading need.")
    ] = False,
) -> None:
    """Downloads weights to the cache and verifies them; prints where they are, pinned.

    The commit in the last line pins them: USER/NAME@COMMIT needs no network again.
    """
    from fracture.hub import SERVING_FILES, resolve

    if Path(repository).exists():
        raise typer.BadParameter(f"{repository} is here already")
    if to and to.exists():
        raise typer.BadParameter(f"{to} exists: name a new folder")
    with told():
        folder = resolve(repository, ["*"] if everything else SERVING_FILES)
    if to:
        shutil.copytree(folder, to)  # follows the links of the cache
    typer.echo(to or folder)
    typer.echo(f"{repository.split('@')[0]}@{folder.name}")


def push(
    repository: Annotated[
        str | None, typer.Argument(metavar="USER/NAME", show_default=False)
    ] = None,
    weights: Weights = "weights",
    card: Annotated[
        Path | None,
        typer.Option(help="Default: MODEL_CARD.md in the weights folder or beside it."),
    ] = None,
    tag: Annotated[
        str | None, typer.Option(help="Default: v and the version of the weights.")
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(metavar="USER/NAME", help="Publish the demo of this clone there."),
    ] = None,
    static: Annotated[
        bool,
        typer.Option(
            "--static",
            help="The Space is the page that works in its visitor's browser, see "
            "`fracture site`; it needs no server, and no film is sent to it.",
        ),
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="If new, only you can see it.")
    ] = False,
) -> None:
    """Publishes weights with their card as a tagged version on the Hugging Face Hub.

    Nothing is sent unless weights, checksums, metrics and card match. The token is that
    of `hf auth login` or of HF_TOKEN.

    \b
    Examples:
      fracture push me/fracture
      fracture push --space me/fracture-demo -w me/fracture@v0.2.0
      fracture push --space me/fracture-page --static
    """
    if not (repository or space):
        raise typer.BadParameter("name a repository, or a --space")
    if static and not space:
        raise typer.BadParameter("--static says what the --space is: name one")
    with told():
        if repository:
            from fracture.publishing.model_repository import publish

            folder = Path(weights)
            inside = folder / "MODEL_CARD.md"
            beside = folder.parent / "MODEL_CARD.md"
            card = card or (inside if inside.exists() else beside)
            version = publish(folder, card, repository, tag, private)
            weights = f"{version.repository}@{version.tag}"
            typer.echo(f"published {weights}, commit {version.commit}")
        if space:
            from fracture.publishing.space import publish_space, publish_static_space

            publish_demo = publish_static_space if static else publish_space
            commit = publish_demo(Path(), weights, space, private)
            typer.echo(f"published the Space {space} with {weights}, commit {commit}")
