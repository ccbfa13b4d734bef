"""The timed benchmarks say what they do; what they print makes one page."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TIMED = ["latency", "throughput", "scaling", "start", "performance", "in_browser"]


@pytest.mark.parametrize("name", TIMED)
def test_help(name):
    command = [sys.executable, f"benchmarks/{name}.py", "--help"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert f"python benchmarks/{name}.py" in found.stdout


def test_the_page_is_what_the_commands_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import performance

    out = tmp_path / "performance.md"
    (tmp_path / "a.py").write_text("print('| a |\\n|---|\\n| 1 |')")
    (tmp_path / "b.py").write_text("print('beta')")
    commands = {
        "one": ("First", [str(tmp_path / "a.py")]),
        "two": ("Second", [str(tmp_path / "b.py")]),
    }
    monkeypatch.setattr(performance, "COMMANDS", commands)
    monkeypatch.setattr(sys, "argv", ["", "--only", "two", "--out", str(out)])
    performance.main()
    monkeypatch.setattr(sys, "argv", ["", "--only", "one", "--out", str(out)])
    performance.main()
    page = out.read_text()
    assert page.index("## First") < page.index("| 1 |") < page.index("## Second")
    assert "beta" in page and page.count("cores") == 2
    (tmp_path / "b.py").write_text("print('gamma')")
    monkeypatch.setattr(sys, "argv", ["", "--only", "two", "--out", str(out)])
    performance.main()
    assert "beta" not in out.read_text() and "gamma" in out.read_text()
    assert "| 1 |" in out.read_text()
