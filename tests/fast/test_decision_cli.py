"""`mend decision show` and `list`: a decision with its explanation, and many decisions quickly."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from time import process_time

import orjson
import pytest
from typer.testing import CliRunner

from agent.decide import decide
from agent.matrix_file import load_matrix
from agent.testing import scenario
from cli.main import cli
from mend.runtime.settings import load_settings
from mend.store.engine import open_store
from orchestration.decision_step import decide_about_failure
from orchestration.workspace import open_workspace

pytestmark = pytest.mark.waits

CUSTOMERS = Path(__file__).parents[2] / "pipelines" / "customers.yml"


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Decide about a job that failed; returns the home."""
    monkeypatch.setenv("MEND_HOME", str(tmp_path))
    with open_workspace(load_settings(), str(CUSTOMERS)) as workspace:
        decide_about_failure(workspace, "words of a cause that nobody knows", None, chance=0.0)
    return tmp_path


def mend(*arguments: str) -> str:
    """Run `mend` and return what it printed."""
    result = CliRunner().invoke(cli, list(arguments), env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_decision_is_shown_with_what_would_have_flipped_it(decided: Path) -> None:
    """What happened, the facts with their rules, what the model added, the nearest changes, what comes next."""
    del decided
    text = mend("decision", "show", "1")
    for part in ("what happened", "fact ", "the model          no model was asked", "otherwise", "what happens next"):
        assert part in text
    assert "instead of" in text
    why = orjson.loads(mend("decision", "show", "1", "--json"))["explanation"]
    assert set(why) == {"happened", "facts", "model", "flips", "next"}
    assert why["flips"][0] == "with job_status success instead of failed: escalate, rows: hold"
    assert all(one.endswith("]") for one in why["facts"])


def test_a_decision_whose_evidence_is_gone_is_shown_without(decided: Path) -> None:
    """The rest is in the store; that the explanation is missing is said."""
    shutil.rmtree(decided / "ops" / "failures")
    assert "what it was made from is not kept any more" in mend("decision", "show", "1")
    assert orjson.loads(mend("decision", "show", "1", "--json"))["explanation"] is None


def test_the_list_does_not_read_all_decisions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of many decisions only those that are shown are read, by time and by rule, too."""
    monkeypatch.setenv("MEND_HOME", str(tmp_path))
    matrix = load_matrix()
    healthy, late = decide(scenario(), matrix), decide(scenario({"late_records": 500}), matrix)
    with open_store(load_settings().store_url) as store, store.transaction():
        for number in range(3_000):
            store.decisions.record(f"r-{number}", late if number % 100 == 0 else healthy, datetime.now(UTC))
    began = process_time()
    shown = orjson.loads(mend("decision", "list", "--limit", "5", "--rule", "late_over_limit", "--json"))
    assert [one["id"] for one in shown] == [2901, 2801, 2701, 2601, 2501]
    assert process_time() - began < 1.5
