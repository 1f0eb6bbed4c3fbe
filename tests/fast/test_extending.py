"""docs/extending.md: its rule, its tool, its test and its sink work as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest

from agent.matrix_file import MATRIX

pytestmark = pytest.mark.agent

GUIDE = Path(__file__).parents[2] / "docs" / "extending.md"


def blocks(language: str) -> list[str]:
    """Return the guide's blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def test_the_guide_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row, the tool and the test of the guide, put where it says, pass."""
    table = MATRIX.read_text().replace("\nfallback:", f"\n{blocks('yaml')[0]}\nfallback:")
    (tmp_path / "my_matrix.yml").write_text(table)
    tool, scenario = blocks("python")[:2]
    (tmp_path / "my_tools.py").write_text(tool)
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    exec(compile(scenario, str(GUIDE), "exec"), found)  # noqa: S102 - the guide's own code
    tests = [value for name, value in found.items() if name.startswith("test_")]
    assert len(tests) == 1
    assert isinstance(tests[0], FunctionType)
    tests[0]()


def test_without_the_row_the_guides_run_is_healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the row that fires: the guide's test fails on the shipped matrix."""
    (tmp_path / "my_matrix.yml").write_text(MATRIX.read_text())
    (tmp_path / "my_tools.py").write_text(blocks("python")[0])
    monkeypatch.chdir(tmp_path)
    found: dict[str, FunctionType] = {}
    exec(compile(blocks("python")[1], str(GUIDE), "exec"), found)  # noqa: S102 - the guide's own code
    with pytest.raises(AssertionError):
        found["test_many_refunds_call_a_person"]()


@pytest.mark.waits
def test_the_guides_sink_keeps_every_promise(tmp_path: Path) -> None:
    """The sink and its test, put where the guide says, pass; SINK_MODE takes the class."""
    sink, promises = blocks("python")[2:]
    (tmp_path / "my_sinks.py").write_text(sink)
    (tmp_path / "test_my_sinks.py").write_text(promises)
    choose = "from mend.runtime.layout import Layout; from mend.runtime.settings import load_settings\n"
    choose += "from mend.sinks.choose import choose_sink; print(type(choose_sink(Layout(load_settings()))).__name__)"
    variables = {"PYTHONPATH": f"{GUIDE.parents[1]}{os.pathsep}{tmp_path}", "SINK_MODE": "my_sinks:JsonLines"}

    def python(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "10 passed" in python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path))
    assert python("-c", choose).strip() == "JsonLines"
