"""Real runs are certified from their files; damage done by hand is found with partition and offset."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from mend.proof.prove import Proof, Scope
from mend.runtime.pipeline_file import Retention
from mend.store.engine import open_store
from orchestration.backup import back_up
from orchestration.prove import certify
from orchestration.restore import restore
from orchestration.steps import agent_decide, cleanup_old_data, run_data_quality, unfinished_runs, validate_load
from orchestration.workspace import Workspace
from producer.anomalies import Anomalies
from tests.real.conftest import Flow, Platform, customer_event

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

SPOILT = Anomalies(late=0.1, drift_frequency=0, missing=0.05, malformed=0.05, duplicate=0.05)


@pytest.fixture(scope="module")
def proven(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    """Publish two runs with events in every place, and hold a third."""
    with platform.flow(tmp_path_factory.mktemp("prove")) as flow:
        flow.send_customers(400, SPOILT)
        flow.run()
        flow.send_customers(300, SPOILT, seed=7)
        flow.run()
        flow.send(*(customer_event(number, email="nobody") for number in range(40)))
        flow.run()
        yield flow


@pytest.fixture
def home(proven: Flow, tmp_path: Path) -> Workspace:
    """Return a copy of what the runs left behind, for damage."""
    copy = tmp_path / "home"
    shutil.copytree(proven.workspace.settings.home, copy)
    settings = proven.workspace.settings.model_copy(update={"mend_home": copy})
    return replace(proven.workspace, settings=settings)


def proof(workspace: Workspace) -> Proof:
    """Prove what lies there; the store is the one of the real runs."""
    return certify(workspace.settings, workspace.store, Scope(), now=datetime.now(UTC)).proof


def test_real_runs_are_certified(proven: Flow) -> None:
    """Every event sent is counted once, in the place where it is, and every partition is proven to its end."""
    found = proof(proven.workspace)
    assert found.findings == ()
    assert (found.runs, found.offsets) == (3, len(proven.sent))
    counted = {place: sum(one.counts.get(place, 0) for one in found.partitions) for place in proven.counts()}
    assert counted == proven.counts()
    assert set(counted) == {"published", "held", "rejected", "dead_letter", "duplicate"}
    ends = {partition: max(o for p, o in proven.sent if p == partition) + 1 for partition, _ in proven.sent}
    assert {one.partition: one.verified_through for one in found.partitions} == ends
    assert {one.waiting for one in found.partitions} == {0}


def test_a_backup_is_proven_where_it_is_put_back(proven: Flow, tmp_path: Path) -> None:
    """Every event of the real runs is proven again in another home, and the store's rows are the same."""
    settings = proven.workspace.settings
    back_up(settings, tmp_path / "b.tar", datetime.now(UTC))
    second = settings.model_copy(
        update={"mend_home": tmp_path / "second", "parquet_out": None, "spark_checkpoint_location": None,
                "database_url": f"sqlite:///{tmp_path / 'store.db'}"}
    )  # fmt: skip
    restore(second, tmp_path / "b.tar")
    with open_store(second.store_url) as store:
        found = certify(second, store, Scope(), now=datetime.now(UTC)).proof
        assert found.findings == ()
        assert (found.runs, found.offsets) == (3, len(proven.sent))
        assert {one.waiting for one in found.partitions} == {0}
        first_file(replace(proven.workspace, settings=second), "held").unlink()
        assert certify(second, store, Scope(), now=datetime.now(UTC)).proof.findings != ()


def first_file(workspace: Workspace, place: str) -> Path:
    """Return a file of a place."""
    home = workspace.settings.home
    pattern = {
        "published": "out/parquet/**/*.parquet", "held": "quarantine/*/reason=held/**/*.parquet",
        "rejected": "quarantine/*/reason=[!h]*/*.parquet", "dead_letter": "dead_letters/**/*.parquet",
        "duplicate": "duplicates/**/*.parquet",
    }[place]  # fmt: skip
    return min(home.glob(pattern))


def position(path: Path, row: int = 0) -> tuple[int, int]:
    """Return partition and offset of a row."""
    table = pq.ParquetFile(path).read()
    prefix = "kafka_" if "kafka_offset" in table.column_names else ""
    return table[f"{prefix}partition"][row].as_py(), table[f"{prefix}offset"][row].as_py()


def without_a_row(path: Path) -> None:
    """Take the first row out of a file."""
    pq.write_table(pq.ParquetFile(path).read().slice(1), path)


def with_a_row_twice(path: Path) -> None:
    """Put the first row into a file again."""
    pq.write_table(pq.ParquetFile(path).read().slice(0, 1), path.with_name("again.parquet"))


@pytest.mark.parametrize("place", ["published", "held", "rejected", "dead_letter", "duplicate"])
def test_a_row_that_is_taken_out_is_found(home: Workspace, place: str) -> None:
    """In any place; the finding has the partition and the offset."""
    path = first_file(home, place)
    partition, offset = position(path)
    without_a_row(path)
    holes = [one for one in proof(home).findings if one.kind == "hole"]
    assert [(one.partition, one.offset) for one in holes] == [(partition, offset)]


@pytest.mark.parametrize("place", ["published", "rejected"])
def test_a_row_that_is_put_in_again_is_found(home: Workspace, place: str) -> None:
    """As a file that no manifest names, at its partition and offset."""
    path = first_file(home, place)
    partition, offset = position(path)
    with_a_row_twice(path)
    (found,) = proof(home).findings
    assert (found.kind, found.partition, found.offset) == ("stray", partition, offset)


def test_a_file_that_is_gone_or_broken_is_found(home: Workspace) -> None:
    """With its name, and where its events are missing."""
    gone, broken = first_file(home, "published"), first_file(home, "dead_letter")
    places = {position(gone), position(broken)}
    gone.unlink()
    broken.write_bytes(b"PAR1")
    found = {one.path: (one.partition, one.offset) for one in proof(home).findings if one.path}
    assert set(found) == {str(gone), str(broken)}
    assert {one.kind for one in proof(home).findings} == {"gone", "unreadable", "hole"}
    assert places & set(found.values())


def test_the_command_certifies_or_tells_the_first(proven: Flow) -> None:
    """Exit code 0 with a certificate, 1 with the first finding; for one run, and for people."""
    command = proven.command()
    told = command.run("prove", "--json")
    assert told.returncode == 0, told.stderr
    assert orjson.loads(told.stdout)["offsets"] == len(proven.sent)
    assert "✓ every offset read is in exactly one place" in command.run("prove", "--since", "7d").stdout
    path = first_file(proven.workspace, "published")
    content, (partition, offset) = path.read_bytes(), position(path)
    try:
        without_a_row(path)
        run_id = next(part.name.removeprefix("run=") for part in path.parents if part.name.startswith("run="))
        told = command.run("prove", "--run", run_id, "--json")
        assert told.returncode == 1
        assert f"/{partition} offset {offset}" in orjson.loads(told.stdout)["finding"]
    finally:
        path.write_bytes(content)


def test_a_staged_run_is_not_settled_and_then_proven(flow: Flow) -> None:
    """Before its decision it is told as not settled, afterwards its offsets count."""
    flow.send(*(customer_event(number) for number in range(20)), partition=0)
    flow.run()
    flow.send(*(customer_event(number) for number in range(20, 30)), partition=0)
    (run_id,) = flow.ingest()
    found = proof(flow.workspace)
    assert (found.holds, found.not_settled) == (True, ((run_id, "staged"),))
    assert [one.verified_through for one in found.partitions if one.partition == 0] == [20]
    flow.finish(run_id)
    found = proof(flow.workspace)
    assert (found.holds, found.not_settled) == (True, ())
    assert [one.verified_through for one in found.partitions if one.partition == 0] == [30]


def test_what_retention_deleted_is_still_proven(new_flow: Callable[..., Flow]) -> None:
    """Published rows go by age; the certificate says so, and the next run finds its duplicates as before."""
    flow = new_flow()
    flow.send(*(customer_event(number) for number in range(20)), partition=0)
    run_id = flow.run()
    old = replace(flow.workspace.pipeline, retention=Retention(published=timedelta(0)))
    result = cleanup_old_data(replace(flow.workspace, pipeline=old))
    assert [one["rows"] for one in result.facts["goes"] if one["what"] == "published"] == [20]
    assert not flow.workspace.layout.published(run_id).exists()
    found = proof(flow.workspace)
    assert (found.holds, sum(one.retired for one in found.partitions)) == (True, 20)
    assert flow.counts() == {}


def test_a_disputed_run_does_not_stop_the_next(flow: Flow) -> None:
    """A recount that fails sets the run aside; the next run is published, and the proof names what is missing."""
    flow.send(*(customer_event(number) for number in range(20)), partition=0)
    (lost,) = flow.ingest()
    run_data_quality(flow.workspace, lost)
    agent_decide(flow.workspace, lost)
    next(flow.workspace.settings.published.rglob("*.parquet")).unlink()
    assert validate_load(flow.workspace, lost).outcome == "failed"
    assert unfinished_runs(flow.workspace) == []
    flow.send(*(customer_event(number) for number in range(20, 30)), partition=0)
    flow.run()
    assert flow.counts() == {"published": 10}
    found = [(one.kind, one.run_id, one.offset) for one in proof(flow.workspace).findings]
    assert found == [("gone", lost, 0), ("hole", lost, 0)]
