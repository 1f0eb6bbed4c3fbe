"""`mend stream` as a process: a run at every trigger, faults in mid stream, and how it ends."""

import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import orjson
import pytest

from mend.runtime.errors import UserError
from mend.store.tables import RunState
from orchestration.offsets import check_offsets
from orchestration.steps import unfinished_runs
from orchestration.stream import over_gone_offsets
from tests.real.conftest import Command, Flow, Platform, customer_event
from tests.real.test_offsets_gone import forget, new_flow_over

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]


@contextmanager
def streaming(command: Command, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a stream; it is killed if the test leaves it running."""
    with command.start("stream", "--trigger", "1s", "--json", *options) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def reading(flow: Flow) -> Iterator[Future[None]]:
    """Run a stream's job in the suite's Spark session, which spares its start; its runs are for the test to finish."""
    from spark.ingest_job import ingest_forever

    workspace, stop = flow.workspace, Event()
    with ThreadPoolExecutor() as threads:
        try:
            yield threads.submit(
                ingest_forever, flow.spark, workspace.settings, workspace.pipeline, workspace.rules,
                trigger=0.2, start=None, stop=stop,
            )  # fmt: skip
        finally:
            stop.set()


def staged(flow: Flow, *values: bytes) -> str:
    """Send events to a stream that reads, and return the run that they become."""
    workspace = flow.workspace
    known = {run.run_id for run in workspace.store.runs.recent()}
    flow.send(*values, partition=0)

    def found() -> list[str]:
        return [one for one in unfinished_runs(workspace) if one not in known]

    assert flow.command().until(found)
    return found()[0]


def stopped(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[list[dict[str, Any]], str]:
    """Ask the stream to stop; returns its lines and what it said on stderr."""
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    return [orjson.loads(line) for line in stdout.splitlines()], stderr


def validated(flow: Flow) -> int:
    """Count the runs that came to their end."""
    return sum(run.state is RunState.VALIDATED for run in flow.workspace.store.runs.recent())


def burst(number: int) -> list[bytes]:
    """Return events with a new field, then more of them, then poison."""
    if number == 2:
        return [b"poison"] * 20
    return [customer_event(n, version=2, marketing_opt_in=True) for n in range(number * 20, number * 20 + 20)]


@pytest.fixture(scope="module")
def streamed(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Flow, Command, list[dict[str, Any]], str]]:
    """Stream three bursts: drift, good events in the new shape, poison; stop it with SIGTERM."""
    with platform.flow(tmp_path_factory.mktemp("stream")) as flow:
        flow.send(*burst(0), partition=0)
        command = flow.command()
        with streaming(command) as process:
            assert command.until(lambda: validated(flow) == 1), process.communicate()
            beside = command.run("run")
            assert (beside.returncode, beside.stdout) == (3, "")
            assert "another run of customers is at work" in beside.stderr
            flow.send(*burst(1), partition=1)
            assert command.until(lambda: validated(flow) == 2)
            flow.send(*burst(2), partition=2)
            assert command.until(lambda: validated(flow) == 3)
            lines, stderr = stopped(process)
            assert process.returncode == 0, stderr
        yield flow, command, lines, stderr


def test_each_micro_batch_is_a_run(streamed: tuple[Flow, Command, list[dict[str, Any]], str]) -> None:
    """Report, audit, decision, recount and page of its own, and a line that says what became of it and when."""
    flow, _, lines, _ = streamed
    assert [line["events"] for line in lines] == [20, 20, 20]
    for line in lines:
        for name in ("run_report", "ge_results", "agent_decision", "load_validation"):
            assert flow.document(line["run_id"], name)
        assert line["run_id"] in flow.file(line["run_id"], "run").with_suffix(".html").read_text(encoding="utf-8")
        assert line["stage_seconds"] > 0
        assert line["audit_seconds"] > 0
    assert flow.counts()["published"] == 40
    assert flow.closed()


def test_the_same_fault_gets_the_same_decision_as_in_single_runs(
    streamed: tuple[Flow, Command, list[dict[str, Any]], str], flow: Flow
) -> None:
    """Drift, good events and poison, run by run: batch and stream decide, act and place alike."""
    stream, _, lines, _ = streamed
    for number, line in enumerate(lines):
        flow.send(*burst(number), partition=number)
        single, streamed_run = flow.decision(flow.run()), stream.decision(line["run_id"])
        for name in ("decision", "actions", "rules", "rows", "escalation_required", "confidence"):
            assert getattr(single, name) == getattr(streamed_run, name), name
    assert flow.counts() == stream.counts()


def test_a_new_mapping_is_used_without_a_restart(streamed: tuple[Flow, Command, list[dict[str, Any]], str]) -> None:
    """Drift in one micro-batch is mapped, and a later micro-batch of the same stream is read by the new mapping."""
    flow, _, lines, _ = streamed
    assert [flow.report(line["run_id"]).mapping_version for line in lines] == [1, 2, 2]
    assert lines[0]["decision"] == "remap"


def test_a_stream_ends_with_code_0_and_no_process(streamed: tuple[Flow, Command, list[dict[str, Any]], str]) -> None:
    """SIGTERM settles what is at work; nothing runs on, and `mend run` finds nothing to do."""
    flow, command, _, _ = streamed
    assert command.ended()
    assert flow.workspace.store.runs.unfinished("customers") == ()
    assert command.run("run").stdout == "Nothing new in the topic.\n"


def test_a_stream_goes_on_after_a_job_that_died(flow: Flow) -> None:
    """Spark is killed: the failure is decided about, the next try publishes every event once, and Ctrl-C ends it."""
    flow.send(*(customer_event(number) for number in range(20)))
    command, request = flow.command(), flow.workspace.layout.ops / "retrigger.json"
    with streaming(command) as process:
        assert command.until(command.spark), stopped(process)
        for one in command.spark():
            one.kill()
        assert command.until(request.exists)
        request.unlink()
        assert command.until(lambda: validated(flow) == 1)
        (line,), stderr = stopped(process, signal.SIGINT)
    assert (process.returncode, line["published"]) == (0, 20), stderr
    assert len(flow.workspace.store.runs.failures("customers")) == 1
    assert flow.closed()
    assert command.ended()


def test_offsets_that_go_while_a_stream_reads_are_never_passed_over(flow: Flow) -> None:
    """Deleted between plan and reading: the job fails; then the stream stops, or goes on with the loss on record."""
    from pyspark.errors import StreamingQueryException

    from spark.failure import explained

    with reading(flow) as job:
        waiting = [staged(flow, customer_event(number)) for number in range(2)]
        flow.send(*(customer_event(number) for number in range(2, 12)), partition=0)
        plan = flow.workspace.layout.checkpoint("customers") / "offsets" / "2"
        assert flow.command().until(plan.exists)
        forget(flow, 0, 9)
        for run_id in waiting:
            flow.finish(run_id)
        with pytest.raises(StreamingQueryException) as told:
            job.result(60)
    error = explained(str(told.value))
    with pytest.raises(UserError, match=r"/0 \[2, 9\): 7 offsets are gone.*Nothing was read"):
        over_gone_offsets(flow.workspace, error)
    going_on = new_flow_over(flow)
    assert over_gone_offsets(going_on.workspace, error)
    (run_id,) = going_on.ingest(check_offsets(going_on.workspace).start)
    flow.finish(run_id)
    flow.sent.difference_update({(0, offset) for offset in range(2, 9)})
    assert flow.closed()
    assert flow.decision(run_id).rules == ("healthy",)
