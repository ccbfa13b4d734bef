"""Films past one machine: Ray Data hands them out, one classifier on each core."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer
from tqdm import tqdm

from fracture.classifier import FractureClassifier
from fracture.commands.bulk.partitions import Partitions, Writer
from fracture.commands.bulk.remote import reading
from fracture.commands.films import answer, attempt
from fracture.commands.options import STOPPED, fail, tell_unreadable
from fracture.commands.rows import ResumeError
from fracture.radiograph.pool import ReaderPool
from fracture.weights import CONFIG_FILE, METRICS_FILE, MODEL_FILE

_BATCH = 16  # films of one call; as many are done again when a worker is killed
_BLOCKS = 10_000  # most parts that the list is handed out in


@dataclasses.dataclass(frozen=True)
class Judging:
    """How films are judged, wherever that happens.

    Attributes:
        weights: files of the folder, name -> content.
        engine: key of `fracture.engine.ENGINES`.
        seconds, megabytes: limits of `ReaderPool`.
    """

    weights: dict[str, bytes]
    engine: str
    seconds: int
    megabytes: int

    @classmethod
    def like(
        cls, classifier: FractureClassifier, seconds: int, megabytes: int
    ) -> Judging:
        """As a classifier does it, which may have come from any place."""
        folder = classifier.config.folder
        paths = [folder / name for name in (CONFIG_FILE, MODEL_FILE, METRICS_FILE)]
        weights = {path.name: path.read_bytes() for path in paths if path.is_file()}
        return cls(weights, classifier.engine.name, seconds, megabytes)


class Judge:
    """What Ray keeps on a core: a classifier and a process that reads films."""

    def __init__(self, judging: Judging):
        with tempfile.TemporaryDirectory() as folder:
            for name, content in judging.weights.items():
                (Path(folder) / name).write_bytes(content)
            self._classifier = FractureClassifier.from_pretrained(
                folder, 1, judging.engine
            )
        self._readers = ReaderPool(1, judging.seconds, judging.megabytes)
        self._read = functools.partial(reading, self._readers.read)

    def __call__(self, batch: dict) -> dict:
        """A batch of names, `{"film": (n,)}`, to JSON, `{"answer": (n,)}`."""
        films = [str(film) for film in batch["film"]]
        found = (
            answer(self._classifier, film, {}, attempt(self._read, film))
            for film in films
        )
        return {"answer": [json.dumps(one) for one in found]}


@contextlib.contextmanager
def judged(
    films: Sequence[str],
    judging: Judging,
    address: str,
    most: int | None = None,
    least: int = 1,
) -> Iterator[Iterator[dict]]:
    """Has a cluster judge films; a worker that dies has its films done by another.

    Args:
        films: paths or addresses that every worker can read.
        address: of the cluster; `local` starts one on this machine.
        most: workers, of one core each, at most; None is one for each core of the
            cluster. One that is started here is told that it has so many.
        least: workers at first; more come as they are needed.

    Yields:
        What `films.answer` gives, in the order of the films and never far ahead.

    Raises:
        ConnectionError: there is no cluster at that address, or it cannot judge.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    import ray.data

    quiet = {"log_to_driver": False, "logging_level": "error"}
    if address == "local":
        ray.init(num_cpus=most, include_dashboard=False, **quiet)
    else:
        ray.init(address, **quiet)
    logging.getLogger("ray.data").setLevel("ERROR")
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.execution_options.preserve_order = True
        most = most or max(1, int(ray.cluster_resources().get("CPU", 1)))
        blocks = min(_BLOCKS, -(-len(films) // _BATCH))
        found = ray.data.from_items(
            [{"film": film} for film in films], override_num_blocks=blocks
        ).map_batches(
            Judge,
            fn_constructor_args=(judging,),
            batch_size=_BATCH,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(min_size=least, max_size=most),
        )
        yield (json.loads(row["answer"]) for row in found.iter_rows())
    except ray.exceptions.RayError as error:
        raise ConnectionError(str(error).strip().splitlines()[-1]) from error
    finally:
        ray.shutdown()


def run_far(
    films: Sequence[str],
    classifier: FractureClassifier,
    writer: Writer,
    suffix: str,
    out: Path,
    address: str,
    jobs: int | None,
    limits: tuple[int, int],
) -> None:
    """Has a cluster judge films, or those that a stopped run has left.

    Args:
        writer, suffix, out: of the partitions.
        address: see `judged`.
        jobs: most workers; None is one for each core of the cluster.
        limits: seconds and MiB to read a film.
    """
    run = {
        "model_version": classifier.config.model_version,
        "engine": classifier.engine.name,
    }
    try:
        parts = Partitions(out, writer, suffix, films, run)
    except (ResumeError, OSError) as error:
        fail(f"{error}; nothing was changed")
    bar = {"initial": parts.done, "total": len(films), "unit": "film", "leave": False}
    left = films[parts.done :]
    judging = Judging.like(classifier, *limits)
    try:
        if left:
            with judged(left, judging, address, jobs) as answers:
                parts.write(tqdm(answers, disable=None, **bar))
    except KeyboardInterrupt:
        typer.echo("fracture: stopped; --resume goes on", err=True)
        raise typer.Exit(STOPPED) from None
    except ConnectionError as error:
        fail(f"the Ray cluster at {address} failed: {error}; --resume goes on")
    except ModuleNotFoundError as error:
        fail(f'--ray lacks {error.name}: pip install "fracture[bulk]"')
    except OSError as error:
        fail(f"cannot write: {error}; --resume goes on")
    tell_unreadable(parts.unreadable, len(films))
