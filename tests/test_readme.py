"""What the README shows is what happens."""

import contextlib
import io
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_python_example_prints_what_is_shown(monkeypatch, tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    example, shown = re.search(
        r"```python\n(from fracture .*?)```\s+```\n(.*?)```", text, re.DOTALL
    ).groups()
    for folder in ("weights", "examples"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, "README.md", "exec"), {})
    assert printed.getvalue() == shown
    assert (tmp_path / "overlay.png").is_file()
