"""Settled runs afterwards: their proof, what retention may delete of them, and a recount that disagrees."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agent.testing import AUDIT
from mend.contracts.codec import to_dict
from mend.contracts.decision import Action, DecisionResult, Rows
from mend.contracts.incident import IncidentStatus, Severity
from mend.contracts.report import PartitionRange, RunReport
from mend.contracts.settled import Retired
from mend.curate.curator import Curator
from mend.curate.decode import decode_json
from mend.curate.plan import Plan
from mend.curate.staging import Manifest, StagedWriter, write_manifest
from mend.incidents.log import incident_log
from mend.proof.facts import Finding
from mend.proof.prove import Scope
from mend.runtime.pipeline_file import Retention
from mend.runtime.settings import load_settings
from mend.store.runs import Runs, Standing
from mend.store.tables import RunState
from orchestration import retention, settled_manifest
from orchestration.decision_step import decide_about, settle_run
from orchestration.prove import Certificate, certify
from orchestration.steps import StepResult, cleanup_old_data, unfinished_runs, validate_load
from orchestration.workspace import Workspace, open_workspace
from tests.fast.test_settle import Guillotine

PIPELINES = Path(__file__).parents[2] / "pipelines"
NO_BROKER = "127.0.0.1:1"
AT_ONCE = timedelta(0)
ALL = Retention(**dict.fromkeys(Retention.__dataclass_fields__, AT_ONCE))


@dataclass
class House:
    """A pipeline whose runs are made without Spark."""

    workspace: Workspace
    plan: Plan
    event: Callable[..., bytes]
    records: Callable[..., pa.Table]
    runs: int = 0

    def stage(self, first: int = 0, *, bad: bool = True) -> str:
        """Stage eight events, four of them in other places than the accepted ones; returns the run's id."""
        self.runs += 1
        run_id, now = f"run-{self.runs}", datetime.now(UTC)
        spoilt = [self.event(plan=...), b"x", self.event(id=f"c-{first}"), self.event(id=f"d-{first}", email=None)]
        good = [
            self.event(id=f"c-{first + number}", event_ts=int(now.timestamp() * 1000) - 60_000) for number in range(4)
        ]
        spoilt[2] = good[0]
        values = good + (spoilt if bad else [self.event(id=f"e-{first + number}") for number in range(4)])
        curated = Curator(self.plan, decode_json, run_id=run_id, now=now).curate(self.records(values, first=first))
        store, layout = self.workspace.store, self.workspace.layout
        with StagedWriter(layout.staged(run_id), "t") as writer:
            writer.add(curated)
        manifest = Manifest(run_id=run_id, pipeline="customers", mapping_version=1, files=tuple(writer.files))
        write_manifest(layout.staged(run_id), manifest)
        (part,) = curated.tally.partitions
        ranges = PartitionRange(
            topic=part.topic, partition=part.partition, from_offset=first, until_offset=first + 8,
            records=part.records, places=part.places,
        )  # fmt: skip
        report = RunReport(
            total_records=8, late_records=0, dq_failures=0, schema_drift_detected=False, run_id=run_id,
            pipeline="customers", places=part.places, partitions=(ranges,), processing_errors=part.places.dead_letter,
            start_time=now.isoformat(), end_time=now.isoformat(), timestamp=now.isoformat(),
        )  # fmt: skip
        layout.write(run_id, "run_report", report)
        layout.write(run_id, "ge_results", AUDIT | {"run_id": run_id, "timestamp": now.isoformat()})
        store.runs.open_run(run_id, "customers", "q", self.runs, now)
        store.ledger.record_ranges(run_id, [ranges])
        store.runs.advance(run_id, RunState.STAGED, now, report=report)
        store.runs.advance(run_id, RunState.AUDITED, now)
        return run_id

    def settle(self, first: int = 0, rows: Rows = Rows.PUBLISH) -> str:
        """Stage a run, publish or hold its accepted rows, and recount it."""
        run_id = self.stage(first)
        self.workspace.store.runs.advance(run_id, RunState.DECIDED, datetime.now(UTC))
        settle_run(self.workspace, run_id, decision(rows))
        assert validate_load(self.workspace, run_id).outcome == "done"
        return run_id

    def keeping(self, **ages: timedelta) -> Workspace:
        """Return the workspace with another retention."""
        return replace(self.workspace, pipeline=replace(self.workspace.pipeline, retention=Retention(**ages)))

    def certify(self, **scope: Any) -> Certificate:
        """Prove what is there."""
        workspace = self.workspace
        return certify(workspace.settings, workspace.store, Scope(**scope), now=datetime.now(UTC))

    def findings(self) -> tuple[Finding, ...]:
        """Return what speaks against the proof of all runs; no broker is asked."""
        return self.certify(since="2000-01-01").proof.findings

    def clean(self, *, dry_run: bool = False, **ages: timedelta) -> StepResult:
        """Do the last step."""
        return cleanup_old_data(self.keeping(**ages), dry_run=dry_run)

    def file(self, run_id: str, what: str = "published") -> Path:
        """Return the only file of one kind of data."""
        (path,) = getattr(self.workspace.layout, what)(run_id).rglob("*.parquet")
        return Path(path)


def decision(rows: Rows) -> DecisionResult:
    """Return a decision."""
    return DecisionResult(
        decision="x", actions=(Action.CONTINUE,), rows=rows, rules=(), reasoning="", confidence=1.0,
        escalation_required=False, timestamp="2026-03-01T12:00:00+00:00",
    )  # fmt: skip


@pytest.fixture
def house(
    home: Path, customers: Plan, event: Callable[..., bytes], records: Callable[..., pa.Table]
) -> Iterator[House]:
    """Open a home of the test's own."""
    settings = load_settings(_env_file=None, mend_home=home, MEND_PIPELINES=PIPELINES, kafka_broker=NO_BROKER)
    with open_workspace(settings, "customers") as workspace:
        yield House(workspace, customers, event, records)


def stays(result: StepResult) -> dict[str, str]:
    """Return why each kind of data stays."""
    return {one["what"]: one["why"] for one in result.facts["stays"]}


def goes(result: StepResult) -> dict[str, int]:
    """Return the rows of each kind of data that goes."""
    return {one["what"]: one["rows"] for one in result.facts["goes"]}


# --- proof


def test_a_settled_run_is_certified_and_remembered(house: House) -> None:
    """Every place counts; how far the partition is proven is kept, and a note says that no broker was asked."""
    house.settle()
    house.settle(8, Rows.HOLD)
    certificate = house.certify()
    assert certificate.proof.holds
    (part,) = certificate.proof.partitions
    assert part.counts == {"published": 4, "held": 4, "rejected": 4, "dead_letter": 2, "duplicate": 2}
    (kept,) = house.workspace.store.proofs.all("customers")
    assert (kept.topic, kept.partition, kept.from_offset, kept.verified_through) == ("customers", 0, 0, 16)
    assert "no Kafka broker answers" in certificate.notes[0]
    written = orjson.loads((house.workspace.layout.ops / "proof.json").read_bytes())
    assert (written["holds"], written["offsets"], written["finding"]) == (True, 16, None)


def test_what_is_kept_goes_back_when_less_is_proven(house: House) -> None:
    """A file that is lost after the proof takes the mark back to the run before it."""
    house.settle()
    second = house.settle(8)
    assert house.findings() == ()
    house.file(second).unlink()
    assert [one.kind for one in house.findings()][:1] == ["gone"]
    (kept,) = house.workspace.store.proofs.all()
    assert kept.verified_through == 8


@dataclass
class Meanwhile:
    """The runs of a store, of which one goes on while the proof reads files: something happens at the nth look."""

    runs: Runs
    looks: int
    happens: Callable[[], None]

    def standing(self, pipeline: str | None = None) -> tuple[Standing, ...]:
        """Let it happen, then look."""
        self.looks -= 1
        if self.looks == 0:
            self.happens()
        return self.runs.standing(pipeline)


@pytest.mark.parametrize("goes_on", [True, False])
def test_what_changes_while_files_are_read_is_no_finding(house: House, goes_on: bool) -> None:
    """Retention or a run at work beside the proof: it reads again; what stays as it is stays a finding."""
    run_id = house.settle()
    path, away = house.file(run_id), house.workspace.settings.home / "away"
    path.rename(away)

    def back() -> None:
        if goes_on:
            away.rename(path)
            settled_manifest.write(house.workspace.layout, settled_manifest.read(house.workspace.layout, run_id))

    # It is looked before the proof, in it, and after it.
    store = replace(house.workspace.store, runs=Meanwhile(house.workspace.store.runs, 3, back))  # type: ignore[arg-type]
    proof = certify(house.workspace.settings, store, Scope(since="2000-01-01"), now=datetime.now(UTC)).proof
    assert proof.holds is goes_on


def test_the_manifest_names_every_file(house: House) -> None:
    """Places, final paths, rows, bytes and ranges; what is published is named from where readers look."""
    run_id = house.settle()
    manifest = settled_manifest.read(house.workspace.layout, run_id)
    assert [(one.place, one.rows) for one in manifest.files] == [
        ("rejected", 1), ("rejected", 1), ("dead_letter", 1), ("duplicate", 1), ("published", 4),
    ]  # fmt: skip
    home, readable = house.workspace.settings.home, house.workspace.settings.published
    for one in manifest.files:
        path = (readable if one.place == "published" else home) / one.path
        assert (path.stat().st_size, pq.read_metadata(path).num_rows) == (one.bytes, one.rows)
    assert [(one.from_offset, one.until_offset, one.records) for one in manifest.ranges] == [(0, 8, 8)]


# --- retention


def test_nothing_goes_without_a_policy(house: House) -> None:
    """Only emptied staging; keys stay inside the duplicate horizon, data for ever."""
    run_id = house.settle()
    result = house.clean()
    assert goes(result) == {"staging": 0}
    assert set(stays(result).values()) == {"no retention is set"}
    assert house.workspace.layout.settled_keys(run_id).exists()
    assert house.findings() == ()


def test_old_rows_go_and_the_proof_holds(house: House) -> None:
    """Counted first, deleted then: certificate, recount and ledger still close, and say what was retired."""
    run_id = house.settle()
    assert goes(house.clean(**asdict(ALL))) == {
        "staging": 0, "published": 4, "quarantine": 2, "dead_letters": 1, "duplicates": 1, "reports": 0,
    }  # fmt: skip
    layout = house.workspace.layout
    assert not any(one(run_id).exists() for one in (layout.published, layout.quarantine, layout.dead_letters))
    proof = house.certify(since="2000-01-01").proof
    assert proof.holds
    assert [(one.retired, one.verified_through, one.counts) for one in proof.partitions] == [(8, 8, {})]
    assert [path.name for path in layout.run_file(run_id, "x").parent.iterdir()] == ["manifest.json"]
    (published,) = [one for one in settled_manifest.read(layout, run_id).retired if one.place == "published"]
    assert (published.rows, published.policy) == (4, "retention.published: 0 days")
    assert validate_load(house.workspace, run_id).outcome == "done"
    assert goes(house.clean(**asdict(ALL))) == {"reports": 0}
    assert not any(house.workspace.settings.published.parent.rglob("*.parquet"))


def test_one_kind_of_data_goes_alone(house: House) -> None:
    """Each has an age of its own."""
    house.settle()
    assert goes(house.clean(duplicates=AT_ONCE)) == {"staging": 0, "duplicates": 1}
    proof = house.certify(since="2000-01-01").proof
    assert (proof.holds, proof.partitions[0].retired) == (True, 1)


def test_a_dry_run_changes_nothing(house: House) -> None:
    """It tells what would go, why it may, and what stays."""
    run_id = house.settle()
    result = house.clean(dry_run=True, published=AT_ONCE, quarantine=timedelta(days=1))
    assert goes(result) == {"staging": 0, "published": 4}
    assert stays(result) == {
        "quarantine": "younger than 1 days", "dead_letters": "no retention is set", "duplicates": "no retention is set",
    }  # fmt: skip
    assert result.message == "2 folders would be removed, 4 rows"
    assert house.file(run_id).exists()
    assert settled_manifest.read(house.workspace.layout, run_id).retired == ()
    assert house.workspace.layout.staged(run_id).exists()


def incident_about(house: House, run_id: str) -> None:
    """Open an incident."""
    log = incident_log(house.workspace.store, house.workspace.layout.ops)
    log.log_incident("i-1", "x", "y", Severity.LOW, datetime.now(UTC), context={"run_id": run_id})


def not_recounted(house: House, run_id: str) -> None:
    """Find rows missing, so that the run is not validated any more."""
    house.file(run_id, "duplicates").rename(house.workspace.settings.home / "away")
    assert validate_load(house.workspace, run_id).outcome == "failed"


def unproven(house: House, run_id: str) -> None:
    """Put one event's offset in the place of another's: the counts still agree."""
    path = house.file(run_id)
    table = pq.ParquetFile(path).read()
    offsets = pa.array([0, 0, 2, 3], pa.int64())
    pq.write_table(table.set_column(table.schema.get_field_index("kafka_offset"), "kafka_offset", offsets), path)


def without_manifest(house: House, run_id: str) -> None:
    """Lose the manifest."""
    house.workspace.layout.run_file(run_id, "manifest").unlink()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (incident_about, "incident i-1 is open"),
        (not_recounted, "the run is disputed"),
        (unproven, "not proven: double: customers/0 offset 0"),
        (without_manifest, "its manifest cannot be read"),
    ],
)
def test_what_is_in_doubt_stays(house: House, damage: Callable[[House, str], None], why: str) -> None:
    """An open incident, a recount that disagrees, an offset that is not in one place: nothing of the run goes."""
    run_id = house.settle()
    sound = house.settle(8)
    damage(house, run_id)
    result = house.clean(published=AT_ONCE)
    published = [one["run_id"] for one in result.facts["goes"] if one["what"] == "published"]
    assert published == [sound]
    (stay,) = [one for one in result.facts["stays"] if one["what"] == "published"]
    assert stay["why"].startswith(why)
    assert house.file(run_id).exists()


def test_retention_that_was_killed_is_finished(house: House) -> None:
    """Killed before any of its steps, the proof holds; done again, everything is gone and counted once."""
    guillotine = Guillotine()
    for kills in range(20):
        run_id = house.settle(8 * kills)
        killed = guillotine.cut(kills, lambda: void(house.clean(published=AT_ONCE, quarantine=AT_ONCE)))
        assert house.findings() == ()
        house.clean(published=AT_ONCE, quarantine=AT_ONCE)
        assert not house.workspace.layout.published(run_id).exists()
        assert not house.workspace.layout.quarantine(run_id).exists()
        assert sum(one.rows for one in settled_manifest.read(house.workspace.layout, run_id).retired) == 6
        assert not any(house.workspace.settings.published.parent.rglob("*.parquet"))
        if not killed:
            assert kills >= 3
            return
    pytest.fail("the work never came to its end")


def test_readers_see_all_of_a_run_or_none_while_it_goes(house: House) -> None:
    """Its folder is out of their sight before the first file is removed."""
    run_id = house.settle()
    house.clean()
    guillotine = Guillotine()
    guillotine.events = frozenset({"os.remove"})
    assert guillotine.cut(1, lambda: void(house.clean(published=AT_ONCE)))  # the first removes what an earlier try left
    assert not house.workspace.layout.published(run_id).exists()
    house.clean()
    assert not any(house.workspace.settings.published.parent.rglob("*.parquet"))


def test_what_was_begun_is_finished_whatever_came_since(house: House) -> None:
    """Rows that the manifest calls retired are half gone perhaps: an incident or another policy does not keep them."""
    run_id = house.settle()
    layout = house.workspace.layout
    rows = Retired(place="published", topic="customers", partition=0, rows=4, retired_at="x", policy="y")
    settled_manifest.write(layout, replace(settled_manifest.read(layout, run_id), retired=(rows,)))
    incident_about(house, run_id)
    house.clean()
    assert not layout.published(run_id).exists()
    assert settled_manifest.read(layout, run_id).retired == (rows,)


def void(_: object) -> None:
    """Return nothing."""


def test_keys_go_beyond_the_duplicate_horizon(house: House) -> None:
    """Digests inside the horizon are needed to find duplicates; beyond it they go without a policy."""
    run_id = house.settle()
    pipeline = replace(house.workspace.pipeline, duplicate_horizon=AT_ONCE)
    assert goes(cleanup_old_data(replace(house.workspace, pipeline=pipeline))) == {"staging": 0, "keys": 0}
    assert not house.workspace.layout.settled_keys(run_id).exists()


def test_the_folder_of_a_replaced_run_goes_with_age(house: House) -> None:
    """Its rows are in the run that took its place."""
    run_id = house.settle()
    layout = house.workspace.layout
    settled_manifest.write(layout, replace(settled_manifest.read(layout, run_id), replaces=("run-0",)))
    old = house.workspace.settings.home / "replaced" / "run=run-0"
    (old / "published").mkdir(parents=True)
    assert stays(house.clean(published=timedelta(days=1)))["replaced"] == "younger than 1 days"
    assert old.exists()
    house.clean(published=AT_ONCE)
    assert not old.exists()


def test_lengths_are_written_as_in_the_pipeline_file() -> None:
    """In the largest unit that fits."""
    spans = (timedelta(days=7), timedelta(hours=36), timedelta(minutes=90), timedelta(seconds=61))
    assert [retention.spoken(one) for one in spans] == ["7 days", "36 hours", "90 minutes", "61 seconds"]


# --- a recount that disagrees


def test_a_recount_that_disagrees_is_no_dead_end(house: House) -> None:
    """The run is disputed and later runs go on; one incident says what to do, and ends when the file is back."""
    run_id = house.settle()
    path = house.file(run_id)
    path.rename(house.workspace.settings.home / "away")
    for _ in range(2):
        assert validate_load(house.workspace, run_id).outcome == "failed"
    assert unfinished_runs(house.workspace) == []
    (incident,) = house.workspace.store.incidents.created_since(datetime.now(UTC) - timedelta(minutes=5))
    assert f"mend prove --run {run_id}" in incident.summary
    assert f"mend step validate_load --run-id {run_id}" in incident.summary
    house.settle(8)
    (house.workspace.settings.home / "away").rename(path)
    assert validate_load(house.workspace, run_id).outcome == "done"
    (incident,) = house.workspace.store.incidents.created_since(datetime.now(UTC) - timedelta(minutes=5))
    assert incident.status is IncidentStatus.RESOLVED
    assert house.findings() == ()


# --- sums that do not close


def read_before(house: House) -> str:
    """Stage a run over offsets of which the earlier run has the last part."""
    house.settle(4)
    return house.stage(0, bad=False)


def read_after(house: House) -> str:
    """Stage a run over offsets that the earlier run has, too."""
    house.settle(0)
    return house.stage(4, bad=False)


def with_a_gap(house: House) -> str:
    """Stage a run behind offsets that nobody read."""
    house.settle(0)
    return house.stage(9, bad=False)


def joined(house: House) -> str:
    """Stage a run that begins where the earlier one ended."""
    house.settle(0)
    return house.stage(8, bad=False)


def one_too_many(house: House) -> str:
    """Stage a run whose report has another sum than its partitions."""
    run_id = joined(house)
    report = house.workspace.store.runs.get(run_id)
    assert report is not None
    assert report.report is not None
    document = to_dict(report.report)
    document["places"]["accepted"] += 1
    house.workspace.layout.write(run_id, "run_report", document)
    return run_id


@pytest.mark.parametrize(
    ("stage", "rows"),
    [
        (joined, Rows.PUBLISH), (read_before, Rows.HOLD), (read_after, Rows.HOLD), (with_a_gap, Rows.HOLD),
        (one_too_many, Rows.HOLD),
    ],
)  # fmt: skip
def test_a_run_whose_sums_do_not_close_is_held(house: House, stage: Callable[[House], str], rows: Rows) -> None:
    """In its report or against the ranges of other runs, before or after them: held, and an incident is open."""
    run_id = stage(house)
    assert decide_about(house.workspace, run_id).rows is rows
    assert house.workspace.layout.published(run_id).exists() is (rows is Rows.PUBLISH)
    incidents = house.workspace.store.incidents.created_since(datetime.now(UTC) - timedelta(minutes=5))
    assert len(incidents) == (rows is Rows.HOLD)
