"""The suite gives its children the signals that a terminal would."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ASK = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
TEST = f"""
import subprocess, sys
def test_a_child_hears_ctrl_c():
    said = subprocess.check_output([sys.executable, "-c", {ASK!r}], text=True)
    assert said.strip() == "False"
"""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_children_hear_ctrl_c_in_a_background_run(workers, tmp_path):
    """A shell starts background jobs of a script with SIGINT ignored."""
    conftest = Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")
    (tmp_path / "conftest.py").write_text(conftest, encoding="utf-8")
    (tmp_path / "test_child.py").write_text(TEST, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-n", workers, "test_child.py"]
    found = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert "1 passed" in found.stdout, found.stdout
