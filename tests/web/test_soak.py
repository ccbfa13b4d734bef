"""The soak in small: what SECURITY.md says of memory is what it holds the app to."""

import importlib.util
import subprocess
import sys

import pytest
from served import ROOT

from fracture.web.settings import Settings

SOAK = ROOT / "benchmarks" / "soak.py"


def test_the_documented_sum_of_memory_is_the_one_that_is_checked():
    spec = importlib.util.spec_from_file_location("soak", SOAK)
    soak = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(soak)
    text = " ".join((ROOT / "SECURITY.md").read_text(encoding="utf-8").split())
    gib = soak.allowed(Settings(concurrency=2)) / 2**30
    assert f"at most {soak.IDLE} MiB, {soak.BODIES} MiB of films" in text
    assert f"`FRACTURE_READER_MB` and {soak.SERVED} bytes a pixel" in text
    assert f"{gib:.1f} GiB with two at a time" in text


@pytest.mark.slow
def test_clients_who_misbehave_for_a_while():
    command = [sys.executable, str(SOAK), "--only", "soak", "--minutes", "0.3"]
    done = subprocess.run([*command, "--clients", "8"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "broken promises: 0" in done.stdout
