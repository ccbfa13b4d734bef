"""Runs the timed benchmarks and writes docs/performance.md from what they print.

    python benchmarks/performance.py [--only latency,start] [--baseline CHECKOUT]

About half an hour on a machine that does nothing else. With --only the other sections
of the page stay as they are.
"""

from __future__ import annotations

import argparse
import datetime
import re
import shlex
import subprocess
import sys
from pathlib import Path

from common import ROOT, machine

COMMANDS = {
    "latency": ("One film", ["benchmarks/latency.py"]),
    "throughput": (
        "Many films",
        ["benchmarks/throughput.py", "--doors", "engine,predict,folder,request"],
    ),
    "api": (
        "Many films by Gradio's API",
        ["benchmarks/throughput.py", "--doors", "api", "--seconds", "60"],
    ),
    "fastest": (
        "Many films, bfloat16",
        [
            "benchmarks/throughput.py",
            "--engine",
            "openvino-bfloat16",
            "--doors",
            "engine,predict,folder",
        ],
    ),
    "scaling": ("Ray", ["benchmarks/scaling.py"]),
    "start": ("Start", ["benchmarks/start.py"]),
}
_WITH_FOLDER = ("throughput", "fastest")  # whose tables a baseline belongs to
_HEAD = """# Performance

Every table is what its command printed; `python benchmarks/performance.py` writes this
page anew.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(COMMANDS))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "performance.md")
    parser.add_argument(
        "--baseline",
        help="another version's checkout, whose rate the tables of many films add",
    )
    args = parser.parse_args()
    written = args.out.read_text(encoding="utf-8") if args.out.is_file() else ""
    sections = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", written, re.M))
    for name in args.only.split(","):
        title, command = COMMANDS[name]
        if args.baseline and name in _WITH_FOLDER:
            command = [*command, "--baseline", args.baseline]
        sections[title] = measured(command)
        page = [_HEAD]
        for title, _ in COMMANDS.values():
            if title in sections:
                page.append(f"## {title}\n\n{sections[title].strip()}\n")
        args.out.write_text("\n".join(page), encoding="utf-8")


def measured(command: list[str]) -> str:
    """What a benchmark prints, with machine, day and command."""
    day, where = datetime.date.today(), machine()
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        sys.exit(f"{shlex.join(command)} failed")
    print(done.stdout, flush=True)
    said = shlex.join(["python", *command])
    return f"{day}, {where}:\n\n    {said}\n\n{done.stdout}"


if __name__ == "__main__":
    main()
