"""`fracture node` and what goes with it, as a user types it."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from node_films import ROOT, FakePacs, film, free_port, send, until
from typer.testing import CliRunner

from fracture.__main__ import app
from fracture.node.spool import IN, Spool


def run(*words, code=0) -> str:
    done = CliRunner().invoke(app, ["node", *map(str, words)])
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done.output


def test_help_names_every_part():
    said = run("--help")
    for word in ("--to", "--spool", "check", "status", "reconcile", "AET@HOST:PORT"):
        assert word in said


def test_the_flags_of_a_first_try_are_enough(tmp_path):
    """As the README shows it: a film goes in, results come out, SIGTERM ends it."""
    port = free_port()
    with FakePacs() as pacs:
        command = [sys.executable, "-m", "fracture", "node", "--aet", "FRACTURE"]
        command += ["--port", str(port), "--to", f"PACS@127.0.0.1:{pacs.port}"]
        command += ["--spool", str(tmp_path / "spool"), "--metrics-port", "0"]
        environment = {**os.environ, "FRACTURE_WEIGHTS": str(ROOT / "weights")}
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        ) as node:
            try:
                assert json.loads(node.stdout.readline())["event"] == "started"
                sample = [sys.executable, "deploy/send_sample.py"]
                done = subprocess.run(
                    [*sample, f"FRACTURE@127.0.0.1:{port}"],
                    cwd=ROOT,
                    capture_output=True,
                    text=True,
                )
                assert done.returncode == 0, done.stderr
                study = done.stdout.split()[-1]
                until(lambda: len(pacs.taken) >= 2)
                for result, *_ in pacs.taken.values():
                    assert result.StudyInstanceUID == study
                node.send_signal(signal.SIGTERM)
                assert node.wait(30) == 0
                assert '"stopped"' in node.stdout.read()
            finally:
                node.kill()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--spool", "s"], 2, "pacs"),
        (["--to", "PACS@h:104"], 2, "spool"),
        (["--spool", "s", "--to", "PACS"], 2, "AET@HOST:PORT"),
        (["--spool", "s", "--to", "P@h:1", "--aet", "x" * 17], 2, "listen.aet"),
        (["--spool", "s", "--to", "P@h:1", "--port", "0"], 2, "listen.port"),
        (["--spool", "s", "--to", "P@h:1", "-w", "none"], 2, "weights_missing"),
        (["--config", "none.toml"], 2, "config_unreadable"),
        (["check", "none.toml"], 2, "none.toml"),
        (["status", "none"], 2, "spool_unusable"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(words, code, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in run(*words, code=code)


def test_flags_win_over_the_file(tmp_path):
    from fracture.commands.node import _configured

    (tmp_path / "n.toml").write_text(
        'spool = "s"\n[pacs]\nhost = "a"\n[listen]\nport = 104\naet = "FILE"\n'
    )
    flags = {"spool": None, "weights": "", "listen.aet": "FLAG", "operation.port": 0}
    config = _configured(tmp_path / "n.toml", flags, "PACS@b:11112")
    assert config.listen.aet == "FLAG" and config.listen.port == 104
    assert config.pacs.host == "b" and config.pacs.aet == "PACS"
    assert config.operation.port == 0 and config.spool == tmp_path / "s"
    config = _configured(tmp_path / "n.toml", {}, "https://pacs.example/dicom-web")
    assert config.pacs.url == "https://pacs.example/dicom-web"


def test_the_status_of_a_spool(tmp_path):
    spool = Spool(tmp_path / "s")
    for name in ("a.dcm", "b.dcm"):
        spool.put(IN, name, b"film")
    spool.fail(IN, "b.dcm", {"code": "truncated_file"})
    said = run("status", tmp_path / "s")
    assert re.search(r"waiting_to_be_judged +1\n", said)
    assert "truncated_file 1" in said
    assert (
        json.loads(run("status", tmp_path / "s", "--json"))["waiting_to_be_sent"] == 0
    )


def test_check_names_what_fails(tmp_path):
    with FakePacs() as pacs:
        file = tmp_path / "node.toml"
        tls = '[listen.tls]\ncertificate = "none.pem"\n'
        pacs = f'[pacs]\naet = "WRONG"\nhost = "127.0.0.1"\nport = {pacs.port}\n'
        port = f"[listen]\nport = {free_port()}\n"
        file.write_text(f'spool = "s"\nweights = "none"\n{pacs}{port}{tls}')
        said = run("check", file, code=1)
    for part in ("weights", "tls"):
        assert re.search(rf"^FAIL {part} ", said, re.M), said
    assert "weights_missing" in said and re.search("^ok   spool", said, re.M)


def test_a_pacs_that_does_not_answer_ends_reconcile_with_a_sentence(tmp_path):
    file = tmp_path / "node.toml"
    pacs = f'[pacs]\nhost = "127.0.0.1"\nport = {free_port()}\n'
    file.write_text(f'spool = "s"\nweights = "{ROOT / "weights"}"\n{pacs}')
    assert "pacs_unreachable" in run("reconcile", file, code=2)


def test_without_the_extra_it_says_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules['pynetdicom'] = None\n"
        "from fracture.__main__ import app\n"
        "app(['node', '--spool', 's', '--to', 'P@127.0.0.1:1', '--metrics-port', '0'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert 'pip install "fracture[pacs]"' in done.stderr


def test_neither_package_nor_commands_load_what_only_a_node_needs():
    only = (
        "pynetdicom",
        "highdicom",
        "dicomweb_client",
        "prometheus_client",
        "pydicom",
    )
    code = (
        "import sys, fracture, fracture.__main__\n"
        f"print([name for name in {only} if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.check_output(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, text=True
    )
    assert said.strip() == "[]"


def test_the_sample_film_is_one_that_is_judged(tmp_path):
    with FakePacs() as pacs:
        made = film()
        assert send(pacs.port, made, called="PACS") == [0]
        done = subprocess.run(
            [sys.executable, "deploy/send_sample.py", f"PACS@127.0.0.1:{pacs.port}"]
            + [f"examples/{name}.png" for name in ("normal", "displaced")],
            cwd=ROOT,
        )
    assert done.returncode == 0 and len(pacs.taken) == 3
