"""docs/extending.md: its rule, its tool and its test work as they stand there."""

import re
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
    tool, scenario = blocks("python")
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
