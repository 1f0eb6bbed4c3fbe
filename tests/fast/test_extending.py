"""docs/extending.md: its topic, rule, tool, test and sink work as they stand there."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import FunctionType

import orjson
import pyarrow as pa
import pytest

from agent.matrix_check import check
from agent.matrix_file import MATRIX, load_matrix
from agent.matrix_scenarios import load_scenarios, run_scenario
from mend.curate.curator import Curator
from mend.curate.decode import decode_json
from orchestration.check import check_pipeline

pytestmark = pytest.mark.agent

GUIDE = Path(__file__).parents[2] / "docs" / "extending.md"


def blocks(language: str) -> list[str]:
    """Return the guide's blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def write_topic(folder: Path) -> Path:
    """Write the guide's files where it says; returns the pipeline file."""
    example, contract = blocks("json")[:2]
    rules, pipeline = blocks("yaml")[:2]
    files = {
        "kafka/schemas/measurements.v1.avsc": contract,
        "airflow/include/measurement_rules.yml": rules,
        "pipelines/measurements.yml": pipeline,
        "example.json": example,
    }
    for name, text in files.items():
        assert name in GUIDE.read_text() or name == "example.json"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "pipelines" / "measurements.yml"


def test_the_guides_topic_works(tmp_path: Path, records: Callable[..., pa.Table]) -> None:
    """Its files are checked and good, its example is published, and its rule rejects what measures nothing."""
    plan = check_pipeline(write_topic(tmp_path))
    good = orjson.loads((tmp_path / "example.json").read_bytes())
    bad = good | {"machine": "press-2", "values": []}
    now = datetime(2026, 3, 1, 11, 10, tzinfo=UTC)
    out = Curator(plan, decode_json, run_id="r", now=now).curate(records([orjson.dumps(good), orjson.dumps(bad)]))
    assert [one["value"] for one in out.accepted["values"].to_pylist()[0]] == [Decimal("71.25")]
    assert out.accepted["is_late_arrival"].to_pylist() == [False]
    assert out.rejected["reason"].to_pylist() == ["measured.between"]


def test_the_guide_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row, the tool and the test of the guide, put where it says, pass."""
    table = MATRIX.read_text().replace("\nfallback:", f"\n{blocks('yaml')[2]}\nfallback:")
    (tmp_path / "my_matrix.yml").write_text(table)
    tool, scenario = blocks("python")[1:3]
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
    (tmp_path / "my_tools.py").write_text(blocks("python")[1])
    monkeypatch.chdir(tmp_path)
    found: dict[str, FunctionType] = {}
    exec(compile(blocks("python")[2], str(GUIDE), "exec"), found)  # noqa: S102 - the guide's own code
    with pytest.raises(AssertionError):
        found["test_many_refunds_call_a_person"]()


@pytest.mark.waits
def test_the_guides_sink_keeps_every_promise(tmp_path: Path) -> None:
    """The sink and its test, put where the guide says, pass; SINK_MODE takes the class."""
    sink, promises = blocks("python")[3:]
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


def test_the_guides_scenarios_hold(tmp_path: Path) -> None:
    """The matrix with the guide's row is proven, its metric's direction too, and the guide's scenarios hold."""
    row, scenarios = (
        next(one for one in blocks("yaml") if mark in one) for mark in ("- id: many_refunds", "scenarios:")
    )
    worse = re.search(r"`(worse: [^`]*)`", GUIDE.read_text())
    assert worse
    text = MATRIX.read_text().replace("\nfallback:", f"\n{row}\n{worse[1]}\nfallback:")
    (tmp_path / "my_matrix.yml").write_text(text)
    (tmp_path / "my_scenarios.yml").write_text(scenarios)
    matrix = load_matrix(tmp_path / "my_matrix.yml")
    assert check(matrix).findings == ()
    results = [run_scenario(one, matrix) for one in load_scenarios(tmp_path / "my_scenarios.yml")]
    assert [one.differences for one in results] == [(), ()]
