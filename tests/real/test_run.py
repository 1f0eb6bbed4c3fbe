"""`mend run` and the ingest job as processes: interrupted, alone, cut off from Kafka, and by spark-submit."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import orjson
import psutil
import pytest
from typer.testing import CliRunner

from cli.main import cli
from embedded.kafka_broker import KafkaBroker
from mend.contracts.decision import Action
from orchestration.steps import agent_decide_failure, monitor_kafka, run_spark_job
from tests.real.conftest import REPOSITORY, Command, Flow, Platform, customer_event
from tests.real.test_stream import reading, staged

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

MANY = 600_000


@pytest.fixture(scope="module")
def interrupted(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flow, Command]]:
    """Start `mend run`, let a second one try, and interrupt the first while its Spark job is at work."""
    with platform.flow(tmp_path_factory.mktemp("run")) as flow:
        flow.send(*(customer_event(number) for number in range(30)))
        command = flow.command()
        with command.start("run") as first:
            assert command.until(command.spark)
            second = command.run("run")
            assert (second.returncode, second.stdout) == (3, "")
            assert "another run of customers is at work" in second.stderr
            first.send_signal(signal.SIGINT)
            assert first.wait(30) == 130
        yield flow, command


def test_ctrl_c_leaves_no_process_and_loses_nothing(interrupted: tuple[Flow, Command]) -> None:
    """An interrupted run ends with all that it started and publishes nothing; the next one does the work, as JSON."""
    flow, command = interrupted
    assert command.ended()
    assert flow.counts() == {}
    done = command.run("run", "--json")
    assert done.returncode == 0, done.stderr
    (run,) = orjson.loads(done.stdout)
    assert run["run_report"]["total_records"] == run["run_report"]["lag_before"] == 30
    assert run["ge_results"]["summary"]["success_count"] == 15
    assert run["agent_decision"]["rules"] == ["healthy"]
    assert run["load_validation"]["rows"] == 30
    assert [line.split(" … ")[0] for line in done.stderr.splitlines()] == [
        *("monitor_kafka", "run_spark_job", "run_data_quality", "agent_decide", "validate_load", "cleanup_old_data"),
    ]
    assert flow.closed()
    assert command.ended()


def test_a_run_over_nothing_new_does_nothing(interrupted: tuple[Flow, Command]) -> None:
    """Exit code 0 at once, without a start of Spark, and the status shows the one run there was."""
    _, command = interrupted
    again = command.run("run")
    assert (again.returncode, again.stdout) == (0, "Nothing new in the topic.\n")
    assert "run_spark_job" not in again.stderr
    (line,) = orjson.loads(command.run("status", "--json").stdout)
    assert (line["state"], line["published"], line["decision"]) == ("validated", 30, "continue")


def test_what_was_staged_is_finished_by_the_next_run(flow: Flow) -> None:
    """A run killed after staging is taken to its end by `mend run`, which calls a person about what is wrong."""
    flow.send(*(customer_event(number, without=("country",)) for number in range(10)))
    (run_id,) = flow.ingest()
    done = CliRunner().invoke(cli, ["run"], env=flow.command().variables)
    assert done.exit_code == 1
    assert run_id in done.stdout
    assert flow.decision(run_id).escalation_required
    assert flow.closed()


def test_a_broker_that_dies_in_mid_run_loses_nothing(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The job fails with one line and is to be tried again, a stream outlives it; every event is published once."""
    broker = KafkaBroker(platform.java, platform.jars.kafka, tmp_path_factory.mktemp("broker"))
    with broker, replace(platform, broker=broker).flow(tmp_path_factory.mktemp("dying")) as flow:
        flow.send(*many(), partition=0)
        settings = flow.workspace.settings.model_copy(update={"kafka_timeout_seconds": 4})
        workspace, command = replace(flow.workspace, settings=settings), flow.command()
        staging = workspace.settings.home / "staging"
        with ThreadPoolExecutor() as threads:
            working = threads.submit(run_spark_job, workspace)
            assert command.until(lambda: next(staging.rglob("*.parquet"), None))
            broker.kill()
            job = working.result()
        assert (job.outcome, job.facts["run_ids"]) == ("failed", [])
        assert "\n" not in job.message
        assert "Check that Kafka runs at KAFKA_BROKER, then run again." in job.message
        assert agent_decide_failure(workspace, job).facts["actions"] == [Action.RETRIGGER]
        assert flow.counts() == {}
        assert workspace.store.runs.consecutive_failures("customers") == 1
        broker.restart()
        assert monitor_kafka(workspace).facts["lag"] == MANY
        assert flow.run() == job.facts["run_id"]
        with reading(flow):
            flow.finish(staged(flow, customer_event(MANY)))
            broker.kill()
            broker.restart()
            flow.finish(staged(flow, customer_event(MANY + 1)))
        assert flow.counts() == {"published": MANY + 2}
        assert flow.closed()


def many() -> list[bytes]:
    """Return as many events as the job cannot have read when it writes its first file."""
    before, after = customer_event().split(b"0" * 12)
    return [before + b"%012d" % number + after for number in range(MANY)]


def test_spark_submit_runs_the_job(flow: Flow) -> None:
    """The job is a plain script for spark-submit and SPARK_MASTER, and all that it opens listens on loopback only."""
    flow.send(*(customer_event(number) for number in range(10)))
    command = replace(flow.command(), variables=flow.command().variables | flow.workspace.spark.environment)
    jars = ",".join(str(jar) for jar in flow.workspace.spark.jars)
    job = str(REPOSITORY / "spark" / "ingest_job.py")
    heard: set[str] = set()
    with command.start("--jars", jars, job, "--pipeline", "customers", program="spark-submit") as process:
        while process.poll() is None:
            heard |= listening(command)
        stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    (run_id,) = next(orjson.loads(line)["run_ids"] for line in stdout.splitlines() if line.startswith('{"run_ids"'))
    flow.finish(run_id)
    assert flow.closed()
    assert heard == {"127.0.0.1"}


def listening(command: Command) -> set[str]:
    """Return the addresses at which what was started waits for connections."""
    found = set()
    for one in command.processes():
        try:
            found |= {each.laddr.ip for each in one.net_connections() if each.status == psutil.CONN_LISTEN}
        except psutil.Error:
            continue
    return {address.removeprefix("::ffff:") for address in found}
