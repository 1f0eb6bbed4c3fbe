"""A backfill reads offsets again and takes the place of the runs that it touches: nothing twice, nothing lost."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from typer.testing import CliRunner

from cli.main import cli
from mend.contracts.backfill import Backfill, Span
from mend.runtime.errors import UserError
from mend.store.tables import RunState
from orchestration.backfill import Asked, asked_spans, finish_backfill, missing_spans, plan_backfill
from orchestration.settle import retire
from orchestration.steps import agent_decide, run_data_quality, unfinished_runs
from tests.real.conftest import Flow, Platform, customer_event
from tests.real.test_offsets_gone import forget

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]


@pytest.fixture(scope="module")
def read(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flow, list[str]]]:
    """Read three runs: good events, a duplicate, a dead letter and one that the contract refuses, in two partitions."""
    with platform.flow(tmp_path_factory.mktemp("backfill")) as flow:
        runs = []
        for number in range(3):
            good = [customer_event(one) for one in range(number * 30, number * 30 + 30)]
            flow.send(*good, good[0], b"poison", customer_event(999, without=("country",)), partition=0)
            flow.send(customer_event(300 + number), partition=1)
            runs.append(flow.run())
        yield flow, runs


def stage(flow: Flow, plan: Backfill) -> str:
    """Stage a plan in the suite's Spark session."""
    from spark.ingest_job import ingest_again

    workspace = flow.workspace
    return ingest_again(flow.spark, workspace.settings, workspace.pipeline, workspace.rules, plan)


def again(flow: Flow, *spans: Span) -> str:
    """Plan, stage and finish a backfill."""
    run_id = stage(flow, plan_backfill(flow.workspace, spans))
    finish_backfill(flow.workspace, run_id)
    return run_id


def span(begin: int, end: int, partition: int = 0) -> Span:
    """Return offsets of one partition."""
    return Span(partition=partition, from_offset=begin, until_offset=end)


def state(flow: Flow, run_id: str) -> RunState:
    """Return where a run stands."""
    run = flow.workspace.store.runs.get(run_id)
    assert run is not None
    return run.state


def test_whole_runs_are_replaced_and_no_row_changes_its_place(read: tuple[Flow, list[str]]) -> None:
    """Half of two runs is read again, the rest of them carried over: every event is where it was, and once."""
    flow, runs = read
    before = flow.places()
    plan = plan_backfill(flow.workspace, [span(10, 60)])
    assert plan.replaces == tuple(runs[:2])
    assert {one.partition: (one.from_offset, one.until_offset) for one in plan.covers if one.count} == {
        0: (0, 66), 1: (0, 2),
    }  # fmt: skip
    new = again(flow, span(10, 60))
    assert flow.places() == before
    assert flow.closed()
    assert [state(flow, one) for one in (*runs, new)] == [
        RunState.REPLACED, RunState.REPLACED, RunState.VALIDATED, RunState.VALIDATED,
    ]  # fmt: skip
    assert flow.workspace.store.ledger.gaps("customers") == ()
    assert flow.workspace.layout.replaced(runs[0]).joinpath("published").exists()
    assert flow.report(new).late_records == 0
    assert flow.workspace.layout.contract(new).is_dir(), "later steps judge by the files that it was staged with"


def test_pressed_twice_it_is_the_same(read: tuple[Flow, list[str]]) -> None:
    """A backfill over a backfill takes its place, again without a change for readers."""
    flow, _ = read
    before = flow.places()
    first = again(flow, span(10, 60))
    second = again(flow, span(10, 60))
    assert (state(flow, first), state(flow, second)) == (RunState.REPLACED, RunState.VALIDATED)
    assert flow.places() == before


def test_a_crash_in_the_middle_is_finished(read: tuple[Flow, list[str]]) -> None:
    """Killed after staging, or while the old runs are taken away: the next command goes on with the same plan."""
    flow, _ = read
    before = flow.places()
    plan = plan_backfill(flow.workspace, [span(0, 90)])
    run_id = stage(flow, plan)
    assert plan_backfill(flow.workspace, [span(0, 90)]).run_id == run_id
    assert flow.places() == before
    assert flow.workspace.store.ledger.gaps("customers") == ()
    assert stage(flow, plan) == run_id
    run_data_quality(flow.workspace, run_id)
    retire(flow.workspace.layout, flow.workspace.sink, plan.replaces[0])
    assert unfinished_runs(flow.workspace) == [run_id]
    finish_backfill(flow.workspace, run_id)
    assert flow.places() == before
    assert flow.workspace.store.ledger.gaps("customers") == ()


def test_a_killed_backfill_is_finished_by_the_next_one(read: tuple[Flow, list[str]]) -> None:
    """Killed when the old runs are out of sight and the new one is not in it: another goes on, and it is proven."""
    flow, _ = read
    before = flow.places()
    command = flow.command()
    words = ("backfill", "--partition", "0", "--from", "20", "--to", "80", "--yes")
    died = replace(command, variables=command.variables | {"FAULT_AT": "before_publish"}).run(*words)
    assert (died.returncode, died.stdout) == (-9, "")
    assert died.stderr.endswith("rehearsal: killed at before_publish\n")
    assert flow.places() != before
    done = CliRunner().invoke(cli, ["backfill", "--missing", "--yes"], env=command.variables)
    assert (done.exit_code, done.stdout) == (0, "Nothing to read again.\n")
    assert flow.places() == before
    proven = CliRunner().invoke(cli, ["prove"], env=command.variables)
    assert proven.exit_code == 0, proven.output


def test_rows_that_would_be_held_replace_nothing(read: tuple[Flow, list[str]]) -> None:
    """A backfill that the decision would hold leaves readers what they have; the next try has an id of its own."""
    flow, _ = read
    before = flow.places()
    plan = plan_backfill(flow.workspace, [span(0, 5)])
    run_id = stage(flow, plan)
    flow.file(run_id, "run_report").unlink()
    run_data_quality(flow.workspace, run_id)
    with pytest.raises(UserError, match="would be held, so nothing was replaced") as told:
        agent_decide(flow.workspace, run_id)
    assert told.value.exit_code == 3
    assert flow.places() == before
    assert state(flow, run_id) is RunState.FAILED
    assert flow.workspace.store.ledger.gaps("customers") == ()
    assert plan_backfill(flow.workspace, [span(0, 5)]).run_id == run_id.removesuffix("1") + "2"


def test_only_what_is_missing_is_read_again(read: tuple[Flow, list[str]]) -> None:
    """Nothing is missing, nothing is read; a run whose files were deleted is restored, and the others stay."""
    flow, _ = read
    before = flow.places()
    assert missing_spans(flow.workspace) == ()
    live = {one.run_id for one in flow.workspace.store.ledger.live_ranges("customers", flow.workspace.pipeline.topic)}
    gone = min(live)
    shutil.rmtree(flow.workspace.layout.published(gone))
    spans = missing_spans(flow.workspace)
    assert plan_backfill(flow.workspace, spans).replaces == (gone,)
    again(flow, *spans)
    assert flow.places() == before
    assert missing_spans(flow.workspace) == ()


def test_a_dry_run_says_what_would_be_done(read: tuple[Flow, list[str]]) -> None:
    """Ranges, runs and counts, and nothing is touched; a time is turned into offsets."""
    flow, _ = read
    before = flow.places()
    variables = flow.command().variables
    told = CliRunner().invoke(cli, ["backfill", "--from", "2020-01-01", "--dry-run", "--json"], env=variables)
    (plan,) = orjson.loads(told.stdout)
    assert (plan["done"], plan["events"], plan["carried_over"]) == (False, 102, 0)
    assert plan["readable_before"] == flow.counts()["published"]
    later = Asked(begin=datetime(2100, 1, 1, tzinfo=UTC))
    assert asked_spans(flow.workspace, later) == ()
    refused = CliRunner().invoke(cli, ["backfill", "--partition", "0", "--from", "1", "--to", "9"], env=variables)
    assert isinstance(refused.exception, UserError)
    assert "say --yes" in str(refused.exception)
    assert flow.places() == before


def test_what_kafka_deleted_cannot_be_read_again(flow: Flow) -> None:
    """A range that begins before the first offset that is left is refused, with that offset, and nothing changes."""
    flow.send(*(customer_event(number) for number in range(10)), partition=0)
    flow.run()
    forget(flow, 0, 4)
    with pytest.raises(UserError, match=r"holds this partition from offset 4 on.*--partition 0 --from 4") as told:
        asked_spans(flow.workspace, Asked(begin=0, end=8, partition=0))
    assert told.value.exit_code == 3
    assert asked_spans(flow.workspace, Asked(begin=4, end=99, partition=0)) == (span(4, 10),)
    again(flow, span(4, 10))
    assert flow.counts() == {"published": 10}
    assert flow.closed()
