"""Steps over everything that waits, as a scheduler calls them; and plans that a person approves or rejects."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from cli.main import cli
from mend.contracts.decision import Rows
from mend.contracts.quality import QualityResults, QualitySummary
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.store.tables import RunState
from orchestration.backlog import over_all
from orchestration.plans import answer, hash_of
from orchestration.steps import agent_decide, job_failed, validate_load
from orchestration.workspace import Workspace, open_workspace
from tests.fast.crashes import World, stage

pytestmark = pytest.mark.waits


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """Return a pipeline that never ran."""
    with open_workspace(World(home=tmp_path / "home").settings, "customers") as opened:
        yield opened


@pytest.fixture
def audited(workspace: Workspace) -> list[str]:
    """Stage two runs and pass their audit; the first has rows to publish."""
    stage(workspace)
    runs = workspace.store.runs.unfinished("customers")
    for run in runs:
        summary = QualitySummary(total_expectations=15, success_count=15, failure_count=0, overall_success_rate=1.0)
        results = QualityResults(
            timestamp=clock.now().isoformat(), status="success", verdict="pass", run_id=run.run_id, summary=summary
        )
        workspace.layout.write(run.run_id, "ge_results", results)
        workspace.store.runs.advance(run.run_id, RunState.AUDITED, clock.now(), quality=results)
    return [run.run_id for run in runs]


def paused(workspace: Workspace, run_id: str) -> str:
    """Pause the machine, let the run wait, and return the plan's hash."""
    workspace.store.brakes.pause(clock.now(), by="ada", reason="maintenance")
    waiting = over_all(workspace, "agent_decide")
    assert (waiting.outcome, waiting.exit_code) == ("paused", 4)
    (plan,) = waiting.facts["waiting"]
    assert plan["run_id"] == run_id
    assert "paused by ada: maintenance" in plan["body"]
    return str(plan["plan_hash"])


def state(workspace: Workspace, run_id: str) -> RunState:
    """Return a run's state."""
    run = workspace.store.runs.get(run_id)
    assert run is not None
    return run.state


def test_a_step_goes_over_every_run_that_waits_for_it(workspace: Workspace, audited: list[str]) -> None:
    """All runs are decided and recounted, and the gravest outcome is the answer; again there is nothing to do."""
    decided = over_all(workspace, "agent_decide")
    assert decided.facts["run_ids"] == audited
    assert (decided.outcome, decided.exit_code) == ("escalated", 1)
    assert "(and 1 more)" in decided.message
    assert over_all(workspace, "validate_load").facts["run_ids"] == audited
    assert {state(workspace, one) for one in audited} == {RunState.VALIDATED}
    for name in ("run_data_quality", "agent_decide", "validate_load"):
        assert over_all(workspace, name).outcome == "nothing_to_do"


def test_a_failed_job_reaches_the_decision_once(workspace: Workspace) -> None:
    """The failure that the job's step recorded is decided about by the next step, and by no later one."""
    job_failed(workspace, "broker 7 is away", workspace.layout.ops / "log")
    decided = over_all(workspace, "agent_decide")
    assert decided.facts["decision"] == "retrigger"
    assert over_all(workspace, "agent_decide").outcome == "nothing_to_do"
    job_failed(workspace, "broker 7 is away", workspace.layout.ops / "log")
    assert over_all(workspace, "agent_decide").facts["decision"] == "retrigger"


def test_an_old_failure_is_left_alone(workspace: Workspace) -> None:
    """What failed hours ago was answered by the runs since."""
    long_ago = clock.now() - timedelta(hours=2)
    workspace.store.runs.record_failure("customers", None, "broker 7 is away", "retriable", long_ago)
    assert over_all(workspace, "agent_decide").outcome == "nothing_to_do"


def test_an_approved_plan_is_carried_out_though_the_machine_is_paused(workspace: Workspace, audited: list[str]) -> None:
    """Exactly that run goes on; the next one waits, with a plan of its own."""
    plan = paused(workspace, audited[0])
    answer(workspace.store, audited[0], plan, approved=True, by="bob", reason="")
    assert agent_decide(workspace, audited[0]).outcome != "paused"
    assert state(workspace, audited[0]) is RunState.PUBLISHED
    assert validate_load(workspace, audited[0]).outcome == "done"
    following = over_all(workspace, "agent_decide")
    assert [one["run_id"] for one in following.facts["waiting"]] == [audited[1]]


def test_of_a_rejected_plan_nothing_is_published(workspace: Workspace, audited: list[str]) -> None:
    """The rows are held, also after the pause, and none is lost."""
    plan = paused(workspace, audited[0])
    answer(workspace.store, audited[0], plan, approved=False, by="bob", reason="wrong week")
    assert not workspace.layout.published(audited[0]).exists()
    workspace.store.brakes.resume(clock.now(), by="ada")
    agent_decide(workspace, audited[0])
    assert state(workspace, audited[0]) is RunState.HELD
    assert not workspace.layout.published(audited[0]).exists()
    counts = validate_load(workspace, audited[0])
    assert (counts.outcome, counts.facts["rows"]) == ("done", 0)
    assert counts.facts["places"]["held"]["found"] > 0


def test_a_plan_is_answered_once_and_only_while_it_is_the_plan(workspace: Workspace, audited: list[str]) -> None:
    """The same answer again changes nothing; another answer, another plan, and an answer too late are refused."""
    store, run_id = workspace.store, audited[0]
    plan = paused(workspace, run_id)
    first = answer(store, run_id, plan, approved=True, by="bob", reason="")
    assert answer(store, run_id, plan, approved=True, by="eve", reason="") == first
    with pytest.raises(UserError, match="bob approved this plan already") as refused:
        answer(store, run_id, plan, approved=False, by="eve", reason="")
    assert refused.value.exit_code == 3
    with pytest.raises(UserError, match="not its plan any more"):
        answer(store, run_id, "0" * 64, approved=True, by="eve", reason="")
    workspace.store.brakes.resume(clock.now(), by="ada")
    over_all(workspace, "agent_decide")
    known = store.decisions.get(audited[1])
    assert known is not None
    with pytest.raises(UserError, match="nothing waits"):
        answer(store, audited[1], hash_of(known.result), approved=True, by="eve", reason="")


def test_a_plan_is_what_was_decided_not_what_was_done(workspace: Workspace, audited: list[str]) -> None:
    """Its hash stays while acts are done, and changes with the decision."""
    over_all(workspace, "agent_decide")
    known = workspace.store.decisions.get(audited[0])
    assert known is not None
    assert hash_of(known.result) == hash_of(replace(known.result, actions_taken=()))
    assert hash_of(known.result) != hash_of(replace(known.result, rows=Rows.HOLD))


def test_the_command_line_answers_plans(
    workspace: Workspace, audited: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mend decision approve --plan`: the person's name is kept, in the log too; another plan is code 3."""
    plan = paused(workspace, audited[0])
    monkeypatch.setenv("MEND_HOME", str(workspace.settings.home))
    wrong = CliRunner().invoke(cli, ["decision", "approve", audited[0], "--plan", "f" * 64, "--by", "bob"])
    assert isinstance(wrong.exception, UserError)
    assert wrong.exception.exit_code == 3
    given = CliRunner().invoke(cli, ["decision", "reject", audited[0], "--plan", plan, "--by", "bob", "--json"])
    assert (given.exit_code, orjson.loads(given.stdout)["by"]) == (0, "bob")
    assert '"by":"bob"' in (workspace.layout.ops / "decision_log.jsonl").read_text(encoding="utf-8")


def test_an_incident_is_opened_from_outside_once_for_a_cause(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler whose task fails again is counted in the open one, and people are told of it once."""
    monkeypatch.setenv("MEND_HOME", str(workspace.settings.home))
    words = ["incident", "open", "airflow_task_failure", "--severity", "high", "--cause", "airflow:d.t", "--json"]
    for n in range(2):
        told = CliRunner().invoke(cli, [*words, "--summary", f"d.t: failed {n}", "--fact", "dag_run=r=1"])
        assert told.exit_code == 0, told.output
    document = orjson.loads(told.stdout)
    assert (document["incident_type"], document["severity"], document["occurrences"]) == (
        "airflow_task_failure",
        "high",
        2,
    )
    assert document["context"]["dag_run"] == "r=1"
    shown = CliRunner().invoke(cli, ["incident", "ls", "--open", "--json"])
    assert len(orjson.loads(shown.stdout)) == 1
