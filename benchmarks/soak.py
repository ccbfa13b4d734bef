"""What the app withstands: large films, hostile ones, and clients who misbehave.

    python benchmarks/soak.py [--minutes 10] [--clients 40]

Starts `app.py` in a process of its own, then

1. sends five films of 40 megapixels at once, of each kind, through every door: which
   answer each got, the most processes that read at the same time, and the most memory
   that all processes of the app held together;
2. sends two hostile films of each kind of `tests/radiograph/test_hostile.py`, and a
   good one right after them: how long the good one's answer took;
3. has clients send films, hostile ones and slow uploads, cancel and hang up for some
   minutes, while readers are killed: memory by the minute, whether every place is free
   again, and what lies in the folder of uploads when the app was told to end.

Prints a table for each, and exits with 1 if a promise of SECURITY.md was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "radiograph"))

import httpx
import numpy as np
from PIL import Image
from specimens import dicom, encode

from fracture.data.phantom import draw_phantom
from fracture.web.settings import Settings

ROOT = Path(__file__).parents[1]
PORT = 7965
API = f"http://127.0.0.1:{PORT}/gradio_api/"
SIDES = (6300, 6349)  # a film of 40 megapixels
PATIENCE = 15  # seconds: two hostile films at most take their 10 side by side
SLOW_UPLOADS = 100
IDLE = 500  # MiB of the server without films
BODIES = 256  # MiB of films that are sent in the request
SERVED = 16  # bytes that it holds for each pixel of a film that is worked on
GROWTH = 1.05  # of memory, from the second minute to the end
DOORS = ("call", "run", "api", "queue", "post")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10, help="of misbehaviour")
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", choices=("large", "hostile", "soak"), help="one of the three"
    )
    args = parser.parse_args()
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        uploads, log = Path(folder, "uploads"), Path(folder, "log")
        with serve(uploads, log) as app:
            stages = {
                "large": lambda: large_films(app),
                "hostile": lambda: hostile_films(app),
                "soak": lambda: soak(app, args.minutes, args.clients, args.seed),
            }
            for name, stage in stages.items():
                if args.only in (None, name):
                    broken += asyncio.run(stage())
            begun = time.monotonic()
            app.process.terminate()
            code = app.process.wait(30)
            seconds = time.monotonic() - begun
        left = [path for path in uploads.rglob("*") if path.is_file()]
        print(
            f"\nSIGTERM: exit code {code} after {seconds:.1f} s, {len(left)} files left"
        )
        if code or seconds > 10 or left:
            broken.append("the app did not end as it should")
        logged = log.read_text(encoding="utf-8")
        if "Traceback" in logged:
            broken.append(f"the log holds a traceback: ...{logged[-2000:]}")
    print(f"\nbroken promises: {len(broken)}", *broken, sep="\n")
    sys.exit(1 if broken else 0)


class App:
    """The app in a process of its own, and what its processes hold."""

    def __init__(self, process: subprocess.Popen):
        self.process, self.peak, self.most = process, 0, 0
        self._ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def readers(self) -> list[int]:
        """Processes that read films."""
        found = []
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):  # it has ended
                found += map(int, (thread / "children").read_text().split())
        return found

    def held(self) -> int:
        """Resident bytes of all its processes together."""
        return sum(map(resident, (self.process.pid, *self.readers())))

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            with contextlib.suppress(OSError):
                self.peak = max(self.peak, self.held())
                self.most = max(self.most, len(self.readers()))

    def end(self) -> None:
        """Stops watching."""
        self._ended.set()


def allowed(settings: Settings) -> int:
    """Bytes that all processes together may hold."""
    film = (settings.reader_mb << 20) + SERVED * settings.max_megapixels * 10**6
    return ((IDLE + BODIES) << 20) + settings.workers * film


def resident(pid: int) -> int:
    """Resident bytes of a process; 0 if it has gone."""
    with contextlib.suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0


@contextlib.contextmanager
def serve(uploads: Path, log: Path) -> Iterator[App]:
    """The app as it starts by default; its uploads and what it says."""
    variables = {"GRADIO_SERVER_PORT": str(PORT), "GRADIO_TEMP_DIR": str(uploads)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=out,
            stderr=out,
        )
    app = App(process)
    try:
        while process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{API}info", timeout=30)
                break
            time.sleep(0.2)
        yield app
    finally:
        app.end()
        process.kill()
        process.wait()


# === Requests ===


@contextlib.asynccontextmanager
async def visitor() -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=API, timeout=300, limits=limits) as site:
        yield site


async def upload(site: httpx.AsyncClient, data: bytes, name: str = "film") -> dict:
    """What names an uploaded film to Gradio's doors, and its bytes for the other."""
    answer = await site.post("upload", files={"files": (name, data)})
    (path,) = answer.raise_for_status().json()
    meta = {"_type": "gradio.FileData"}
    return {"path": path, "orig_name": name, "meta": meta, "data": data}


async def ask(
    site: httpx.AsyncClient, film: dict, door: str = "call", heatmap: str = "none"
) -> dict:
    """`/predict` of an uploaded film through one of its doors."""
    if door == "post":
        kind = {"content-type": "application/octet-stream"}
        body, address = film["data"], f"http://127.0.0.1:{PORT}/predict"
        query = {"heatmap": heatmap}
        answer = await site.post(address, params=query, content=body, headers=kind)
        return answer.json()
    film = {key: value for key, value in film.items() if key != "data"}
    data = [film, heatmap, "fracture"]
    if door in ("run", "api"):
        answer = await site.post(f"{door}/predict", json={"data": data})
        return answer.json()["data"][0]
    if door == "call":
        event = await join(site, data)
        said = (await site.get(f"call/predict/{event}")).text
        return json.loads(said.rpartition("data: ")[2])[0]
    session = random.randbytes(8).hex()
    await site.post(
        "queue/join",
        json={"data": data, "fn_index": await number(site), "session_hash": session},
    )
    async with site.stream("GET", f"queue/data?session_hash={session}") as lines:
        async for line in lines.aiter_lines():
            message = json.loads(line.removeprefix("data: ")) if line else {}
            if message.get("msg") == "process_completed":
                return message["output"]["data"][0]
    raise ConnectionError("the queue ended without an answer")


async def join(site: httpx.AsyncClient, data: list) -> str:
    return (await site.post("call/predict", json={"data": data})).json()["event_id"]


async def number(site: httpx.AsyncClient) -> int:
    """By which the page calls `/predict`."""
    config = (await site.get(f"http://127.0.0.1:{PORT}/config")).json()
    functions = config["dependencies"]
    return next(fn["id"] for fn in functions if fn["api_name"] == "predict")


def said(answer: dict) -> str:
    """Its finding or its reason."""
    return answer.get("error_code") or answer["finding"]


def good_film() -> bytes:
    return encode(draw_phantom("displaced", 19).pixels, "jpeg")


# === The three stages ===


async def large_films(app: App) -> list[str]:
    """Five at once through every door."""
    phantom = Image.fromarray(draw_phantom("displaced", 19).pixels)
    grey = np.asarray(phantom.resize(SIDES, Image.BICUBIC))
    colour = np.stack([grey] * 3, axis=-1)
    kinds = {
        "PNG, 16 bits": lambda: encode(grey.astype(np.uint16) * 257, "png"),
        "JPEG, colour": lambda: encode(colour, "jpeg", quality=60),
        "TIFF, LZW": lambda: encode(grey, "tiff", compression="tiff_lzw"),
        "WebP": lambda: encode(grey, "webp", quality=50),
        "DICOM": lambda: dicom(grey[:5600, :5900]),  # 64 MiB at most
    }
    settings = Settings()
    most = allowed(settings)
    print(f"\n5 films of 40 megapixels at once; at most {most >> 20} MiB\n")
    print(f"{'kind':14} {'door':6} {'seconds':>7} {'MiB':>6} {'readers':>7}  answers")
    broken = []
    async with visitor() as site:
        await ask(site, await upload(site, good_film()))
        for kind, make in kinds.items():
            data = make()
            films = [await upload(site, data) for _ in range(5)]
            for door in DOORS:
                app.peak = app.most = 0
                begun = time.monotonic()
                answers = await asyncio.gather(
                    *(ask(site, film, door, "png") for film in films)
                )
                seconds = time.monotonic() - begun
                codes = collections.Counter(map(said, answers))
                row = f"{kind:14} {door:6} {seconds:7.1f} {app.peak >> 20:6}"
                print(f"{row} {app.most:7}  {dict(codes)}", flush=True)
                if app.peak > most or app.most > settings.workers:
                    broken.append(f"{kind} through {door}: more than allowed")
    return broken


async def hostile_films(app: App) -> list[str]:
    """Two, and a good one right after them."""
    kinds = hostile_kinds()
    print(f"\n2 of {len(kinds)} hostile kinds at once, then a good film\n")
    print(f"{'kind':22} {'answer':18} {'seconds':>7} {'good, s':>7} {'MiB':>6}")
    broken = []
    async with visitor() as site:
        good = await upload(site, good_film())
        finding = said(await ask(site, good))
        for kind, make in kinds.items():
            film = await upload(site, make())
            app.peak = 0

            async def timed(film: dict) -> tuple[str, float]:
                begun = time.monotonic()
                answer = said(await ask(site, film))
                return answer, time.monotonic() - begun

            hostile = [asyncio.create_task(timed(film)) for _ in range(2)]
            await asyncio.sleep(0.05)
            answer, late = await timed(good)
            (code, seconds), _ = await asyncio.gather(*hostile)
            row = f"{kind:22} {code:18} {seconds:7.1f} {late:7.1f} {app.peak >> 20:6}"
            print(row, flush=True)
            if answer != finding or late > PATIENCE:
                broken.append(f"after {kind}: {answer} in {late:.1f} s")
    return broken


def hostile_kinds() -> dict[str, Callable[[], bytes]]:
    """Name -> file, as the tests make them."""
    import test_hostile as tests

    kinds = {**tests.PICTURES, **tests.TIFFS}
    return kinds | {f"dicom {name}": make for name, make in tests.DICOM.items()}


async def soak(app: App, minutes: float, clients: int, seed: int) -> list[str]:
    """Clients who misbehave."""
    chance, tally = random.Random(seed), collections.Counter()
    make = hostile_kinds()
    bad = [make[kind]() for kind in ("jpeg small scans", "png exif", "claims <")]
    good, end = good_film(), time.monotonic() + 60 * minutes
    pause = 60 * minutes / max(1, SLOW_UPLOADS)

    async def client() -> None:
        async with visitor() as site:
            while time.monotonic() < end:
                data = chance.choice((good, good, good, *bad))
                try:
                    film = await upload(site, data)
                    if chance.random() < 0.3:
                        await leave(site, film)
                        tally["cancelled or hung up"] += 1
                    else:
                        tally[said(await ask(site, film, chance.choice(DOORS)))] += 1
                except (httpx.HTTPError, OSError, ValueError, LookupError) as error:
                    tally[f"no answer: {type(error).__name__}"] += 1

    async def leave(site: httpx.AsyncClient, film: dict) -> None:
        named = {key: value for key, value in film.items() if key != "data"}
        event = await join(site, [named, "png", "fracture"])
        await asyncio.sleep(chance.random())
        if chance.random() < 0.5:
            index = await number(site)
            body = {"session_hash": event, "fn_index": index, "event_id": event}
            await site.post("cancel", json=body)
            return
        with contextlib.suppress(httpx.TimeoutException):
            await site.get(f"call/predict/{event}", timeout=0.3 + chance.random())

    async def slow_upload(number: int) -> None:
        await asyncio.sleep(number * pause)
        whole = number % 2

        async def body() -> AsyncIterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="files"; '
            yield b'filename="film"\r\n\r\n'
            for start in range(0, len(good), 4096):
                yield good[start : start + 4096]
                await asyncio.sleep(min(0.5, pause))
                if not whole and start > len(good) / 2:
                    raise ConnectionAbortedError
            yield b"\r\n--x--\r\n"

        headers = {"content-type": "multipart/form-data; boundary=x"}
        with contextlib.suppress(ConnectionAbortedError, httpx.HTTPError):
            async with visitor() as site:
                await site.post("upload", content=body(), headers=headers)
        tally["slow uploads, half of them broken off"] += 1

    async def killer() -> None:
        while time.monotonic() < end - 5:
            await asyncio.sleep(chance.uniform(5, 20))
            if readers := app.readers():
                with contextlib.suppress(OSError):
                    os.kill(chance.choice(readers), signal.SIGKILL)
                    tally["readers killed"] += 1

    async def clock() -> None:
        print(f"\n{clients} clients for {minutes:g} minutes\n\nminute    MiB")
        minute = 0
        while time.monotonic() < end:
            print(f"{minute:6} {app.held() >> 20:6}", flush=True)
            held[minute] = app.held()
            minute += 1
            await asyncio.sleep(min(60, max(0, end - time.monotonic())))

    held: dict[int, int] = {}
    app.peak = 0
    await asyncio.gather(
        clock(),
        killer(),
        *(client() for _ in range(clients)),
        *(slow_upload(number) for number in range(SLOW_UPLOADS)),
    )
    print(f"   end {app.held() >> 20:6}   most {app.peak >> 20}\n")
    for name, count in tally.most_common():
        print(f"{count:7} {name}")
    settings = Settings()
    places = settings.workers + settings.queue
    async with visitor() as site:
        film = await upload(site, good)
        await ask(site, film)  # a killed reader starts anew
        answers = await asyncio.gather(*(ask(site, film) for _ in range(places)))
        codes = collections.Counter(map(said, answers))
    print(f"\n{places} films at once afterwards: {dict(codes)}")
    last = app.held()
    broken = [f"{places} places, but {dict(codes)}"] if "busy" in codes else []
    if minutes > 2 and last > GROWTH * held[2]:
        broken.append(f"memory grew from {held[2] >> 20} to {last >> 20} MiB")
    lost = sum(count for name, count in tally.items() if name.startswith("no answer"))
    return broken + ([f"{lost} requests without an answer"] if lost else [])


if __name__ == "__main__":
    main()
