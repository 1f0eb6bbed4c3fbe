"""Waiting rows: found by cause, tried, repaired, replayed, given up; and the proof agrees at every moment."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import duckdb
import orjson
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cli.main import cli
from mend.contracts.quarantine import Selection, Step
from mend.proof.prove import Proof
from mend.quarantine.export import write_export
from mend.quarantine.groups import groups, shelves
from mend.quarantine.propose import proposals
from mend.quarantine.trial import masked, shown_fields
from mend.runtime.errors import UserError
from mend.runtime.pipeline_file import Retention
from mend.store.tables import RunState
from orchestration import steps
from orchestration.backfill import refuse_replayed
from orchestration.certificate import Certificate
from orchestration.held import (
    accept,
    bench_of,
    discard,
    keep_edits,
    reject,
    release,
    replay_rows,
    trial_of,
    undo_replay,
)  # fmt: skip
from orchestration.retention import Goes, Judge, retire
from orchestration.storage import at_work
from orchestration.watch import paces
from orchestration.workspace import Workspace, open_workspace
from spark.batch import last_report
from tests.fast.conftest import ROOT, make_event
from tests.fast.crashes import World, job_of
from tests.fast.held_world import CAST, EVENTS, GOOD, MISSING, NOW, RENAME, TEXTS, accepted, audit, event, ingest, prove

pytestmark = pytest.mark.waits
ALL = Selection()
DAYS = timedelta(days=90)
SAID = {"by": "ada", "reason": "looked"}


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """Make the world once; each test gets a copy."""
    home = Path(mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))  # noqa: S108 - in memory
    patch = pytest.MonkeyPatch()
    patch.setattr(steps, "audit_staged", audit)
    with open_workspace(World(home=home).settings, "customers") as workspace:
        ingest(workspace)
    yield home
    patch.undo()
    shutil.rmtree(home)


@pytest.fixture
def workspace(made: Path, home: Path) -> Iterator[Workspace]:
    """Open a copy of the world."""
    shutil.copytree(made, home / "data")
    with open_workspace(World(home=home / "data").settings, "customers") as opened, at_work(opened) as locked:
        yield locked


def press(workspace: Workspace, selection: Selection) -> Certificate | None:
    """Replay what is meant."""
    return replay_rows(workspace, selection, by="ada", reason="looked")


def counts(proof: Proof) -> dict[str, int]:
    """Return the events of each place; an empty place is left out."""
    (one,) = proof.partitions
    return {place: many for place, many in one.counts.items() if many}


def readable(workspace: Workspace) -> list[tuple[int, ...]]:
    """Return the offsets that a reader sees, in order, those of replays too."""
    with duckdb.connect() as db:
        files = str(workspace.settings.published / "**" / "*.parquet")
        return db.execute("SELECT kafka_offset FROM read_parquet($1) ORDER BY 1", [files]).fetchall()


def test_what_waits_is_counted_by_its_cause(workspace: Workspace) -> None:
    """Causes are the same over runs and versions of the mapping; each says what was expected and what came."""
    found = groups(bench_of(workspace).index, ALL)
    assert [(one.rows, one.cause.rule, one.cause.column, one.cause.found, len(one.runs)) for one in found] == [
        (6, "type", "signup_ts", "VARCHAR", 2), (4, "required", "plan", "missing", 2),
    ]  # fmt: skip
    assert found[0].mappings == {1, 2}


def test_values_of_persons_and_of_unknown_fields_are_masked(workspace: Workspace) -> None:
    """What is shown of an event: plain values of the contract's fields only."""
    shown = masked('{"plan":"free","email":"ada@example.com","tariff":"x","n":{"a":1},"id":"c"}',
                   shown_fields(bench_of(workspace).plan))  # fmt: skip
    assert orjson.loads(shown or "") == {
        "plan": "free", "email": "<text of 15>", "tariff": "<text of 1>", "n": "<nested>", "id": "c",
    }  # fmt: skip


def test_repairs_suggest_themselves_with_their_trial(workspace: Workspace) -> None:
    """The missing field's other name and the text's number are found, and every row of them would pass or repeat."""
    found = [
        (one.cause.column, one.steps, one.trial.passes, one.trial.still) for one in proposals(bench_of(workspace), ALL)
    ]
    assert ("plan", (RENAME,), 4, 0) in found
    assert ("signup_ts", (CAST,), 6, 0) in found


def test_a_replay_publishes_what_passes_and_says_what_became_of_every_row(workspace: Workspace) -> None:
    """The certificate closes, the proof agrees before and after, and a key that was published is a duplicate."""
    before = prove(workspace)
    assert (before.holds, counts(before)) == (True, {"published": 2 * GOOD, "rejected": 10})
    accepted(workspace, TEXTS, CAST)
    made = press(workspace, ALL)
    assert made is not None
    assert (made.held, made.published, made.duplicates, made.still_held, made.lost, made.twice) == (10, 5, 1, 4, 0, 0)
    assert made.still_because == {"required plan": 4}
    after = prove(workspace)
    assert (after.holds, made.proven) == (True, True)
    assert counts(after) == {"published": 2 * GOOD + 5, "duplicate": 1, "rejected": 4}
    assert len(readable(workspace)) == len(set(readable(workspace))) == 2 * GOOD + 5


def test_a_second_press_publishes_nothing(workspace: Workspace) -> None:
    """What waits no more is not taken again; what still fails is said again, and no run is made of it."""
    accepted(workspace, TEXTS, CAST)
    press(workspace, TEXTS)
    assert press(workspace, TEXTS) is None
    again = press(workspace, ALL)
    assert again is not None
    assert (again.held, again.published, again.still_held) == (4, 0, 4)
    assert [one.state for one in workspace.store.runs.standing()].count(RunState.VALIDATED) == 3
    assert len(readable(workspace)) == 2 * GOOD + 5


def test_events_of_a_key_keep_their_order(workspace: Workspace) -> None:
    """In each file of a replay the offsets go up, though causes lie in files of their own."""
    accepted(workspace, TEXTS, CAST)
    accepted(workspace, MISSING, RENAME)
    made = press(workspace, ALL)
    assert made is not None
    files = [*workspace.layout.published(made.run_id).rglob("*.parquet")]
    offsets = [
        pq.read_table(one, columns=["kafka_offset"], partitioning=None)["kafka_offset"].to_pylist() for one in files
    ]
    assert all(one == sorted(one) for one in offsets)
    assert sum(map(len, offsets)) == 9


def test_a_replayed_row_is_judged_as_of_the_time_when_it_was_read(workspace: Workspace) -> None:
    """Lateness is that of the run which read the event; run and mapping are those of the replay."""
    accepted(workspace, MISSING, RENAME)
    made = press(workspace, MISSING)
    assert made is not None
    (file,) = workspace.layout.published(made.run_id).rglob("*.parquet")
    rows = pq.read_table(file, partitioning=None)
    opened = {one.opened_at for one in workspace.store.runs.standing()}
    assert set(rows["processing_timestamp"].to_pylist()) <= opened
    assert set(rows["mapping_version"].to_pylist()) == {3}
    assert set(rows["plan"].to_pylist()) == {"free"}


@pytest.mark.parametrize(
    ("selection", "step", "why"),
    [
        (MISSING, Step(kind="default", target="plan", value='"nonsense"'), "fail a quality rule"),
        (MISSING, Step(kind="default", target="version", value="2"), "no row would pass"),
        (TEXTS, Step(kind="sql", target="id", value="'one'"), "no row would pass"),
    ],
)
def test_a_repair_that_does_not_help_is_refused(
    workspace: Workspace, selection: Selection, step: Step, why: str
) -> None:
    """The trial says why, and what it refuses cannot be accepted."""
    trial = trial_of(workspace, selection, [step])
    assert why in (trial.refused or "")
    with pytest.raises(UserError, match="refused by its trial"):
        accept(workspace, selection, [step], trial, "ada")


def test_a_repair_that_makes_rows_worse_is_refused(workspace: Workspace) -> None:
    """Rows that get one key are lost as duplicates; rows that pass as they are must pass afterwards, too."""
    lost = trial_of(workspace, TEXTS, [CAST, Step(kind="sql", target="id", value="'one'"),
                                       Step(kind="sql", target="event_ts", value="1772366400000")])  # fmt: skip
    assert "would get the key of another row" in (lost.refused or "")
    discard(workspace, ALL, **SAID)
    release_me(workspace)
    held = Selection(places=("held",))
    worse = trial_of(workspace, held, [Step(kind="sql", target="signup_ts", value="'soon'")])
    assert worse.refused == f"{worse.before} rows that pass as they are would not pass any more"


def release_me(workspace: Workspace) -> str:
    """Let a third run be held as a whole; returns its id."""
    bad = [make_event(id=f"d-{n}", event_ts=NOW + n, email="nobody" if n % 2 else "a@b.example") for n in range(20)]
    ingest(workspace, [*([event(run, n) for n in range(EVENTS)] for run in range(2)), bad])
    (held,) = [one.run_id for one in workspace.store.runs.recent() if one.outcome == "held"]
    return held


def test_a_held_run_is_released_after_a_look(workspace: Workspace) -> None:
    """Its rows are published as they were, also those that fail a rule; who and why stand in the log; once."""
    run_id = release_me(workspace)
    kept = {path.name: pq.read_table(path, partitioning=None) for path in
            (workspace.layout.quarantine(run_id) / "reason=held").rglob("*.parquet")}  # fmt: skip
    made = release(workspace, run_id, **SAID)
    assert made is not None
    assert (made.held, made.published, made.proven) == (20, 20, True)
    (was,) = kept.values()
    (now,) = (
        pq.read_table(path, partitioning=None) for path in workspace.layout.published(made.run_id).rglob("*.parquet")
    )
    same = [name for name in was.column_names if name not in {"run_id", "mapping_version", "processing_timestamp"}]
    assert now.select(same).sort_by("kafka_offset").equals(was.select(same).sort_by("kafka_offset"))
    assert release(workspace, run_id, **SAID) is None
    assert [(one.approved, one.by) for one in workspace.store.brakes.approvals(run_id)] == [(True, "ada")]
    assert prove(workspace).holds


def test_held_rows_need_a_name_or_a_word(workspace: Workspace) -> None:
    """The audit refuses a replay of rows of which many fail a rule; a run that held nothing cannot be released."""
    release_me(workspace)
    with pytest.raises(UserError, match="fail a quality rule"):
        press(workspace, Selection(places=("held",)))
    assert prove(workspace).holds
    with pytest.raises(UserError, match="held no rows"):
        release(workspace, bench_of(workspace).index.sources[0].run.run_id, **SAID)
    with pytest.raises(UserError, match="a name and a reason"):
        release(workspace, bench_of(workspace).index.sources[0].run.run_id, by="ada", reason=" ")


def test_a_rejected_run_waits_no_more(workspace: Workspace) -> None:
    """Its rows are given up in a person's name; the files and the proof stay as they were."""
    run_id = release_me(workspace)
    assert reject(workspace, run_id, **SAID).rows == 20
    assert reject(workspace, run_id, **SAID).rows == 0
    assert prove(workspace).holds
    assert release(workspace, run_id, **SAID) is None


def test_discarded_rows_keep_their_bytes(workspace: Workspace) -> None:
    """They wait no more, are said by name, and the proof counts them where they were."""
    with pytest.raises(UserError, match="a name and a reason"):
        discard(workspace, TEXTS, by="", reason="x")
    assert discard(workspace, TEXTS, **SAID).rows == 6
    assert [one.cause.rule for one in groups(bench_of(workspace).index, ALL)] == ["required"]
    assert counts(prove(workspace))["rejected"] == 10
    log = (workspace.layout.ops / "decision_log.jsonl").read_text()
    assert "quarantine_discard" in log.splitlines()[-1]


def test_a_replay_is_no_run_of_the_stream(workspace: Workspace) -> None:
    """What is expected of the next run is learnt from runs that read the topic: how it looked, and how fast it was."""
    accepted(workspace, TEXTS, CAST)
    made = press(workspace, ALL)
    assert made is not None
    report = last_report(job_of(workspace), "next")
    assert report is not None
    assert report.run_id == "customers-5eed5eed-000001"
    assert len(paces(workspace, 10)) == 2


def test_an_undone_replay_waits_again(workspace: Workspace) -> None:
    """Its rows leave the readable set and are in the quarantine as before, and can be replayed once more."""
    accepted(workspace, TEXTS, CAST)
    first = press(workspace, ALL)
    assert first is not None
    undo_replay(workspace, first.run_id, **SAID)
    undo_replay(workspace, first.run_id, **SAID)
    assert counts(prove(workspace)) == {"published": 2 * GOOD, "rejected": 10}
    assert len(readable(workspace)) == 2 * GOOD
    second = press(workspace, ALL)
    assert second is not None
    assert (second.published, second.duplicates, second.run_id != first.run_id) == (5, 1, True)
    assert prove(workspace).holds


def test_edited_events_take_the_place_of_those_that_came(workspace: Workspace, tmp_path: Path) -> None:
    """An export, changed by hand, is a repair like another; positions that do not wait change nothing."""
    path = tmp_path / "events.jsonl"
    bench = bench_of(workspace)
    assert write_export(bench, MISSING, path) == 4
    assert path.stat().st_mode & 0o777 == 0o600
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    changed = [line | {"event": line["event"] | {"plan": "premium"}} for line in lines]
    path.write_bytes(b"\n".join(map(orjson.dumps, changed)))
    accepted(workspace, MISSING, keep_edits(workspace, path))
    made = press(workspace, MISSING)
    assert made is not None
    assert made.published == 4
    path.write_bytes(b'{"partition": 0}')
    with pytest.raises(UserError, match="expected partition, offset and event"):
        keep_edits(workspace, path)


def test_dead_letters_can_be_edited_too(workspace: Workspace, tmp_path: Path) -> None:
    """What was no event at all is exported as it came, and what a person makes of it is published."""
    batches = [*([event(run, n) for n in range(EVENTS)] for run in range(2)), [make_event(id="g"), b"{no event"]]
    ingest(workspace, batches)
    path, dead = tmp_path / "dead.jsonl", Selection(places=("dead_letter",))
    assert write_export(bench_of(workspace), dead, path) == 1
    line = orjson.loads(path.read_bytes())
    assert (line["reason"], line["event"]) == ("not_json", "{no event")
    path.write_bytes(orjson.dumps(line | {"event": orjson.loads(make_event(id="h"))}))
    accepted(workspace, dead, keep_edits(workspace, path))
    made = press(workspace, dead)
    assert made is not None
    assert (made.held, made.published, made.proven) == (1, 1, True)
    assert counts(prove(workspace))["published"] == 2 * GOOD + 2


def test_missing_and_foreign_files_are_told_and_never_replayed(workspace: Workspace) -> None:
    """A run whose file is gone is refused, another one is not; a file that no manifest names never counts."""
    first, second = (one.run.run_id for one in bench_of(workspace).index.sources)
    (file,) = (workspace.layout.quarantine(first) / "reason=type").glob("*.parquet")
    shutil.copy(file, workspace.layout.quarantine(second) / "reason=type" / "stranger.parquet")
    (workspace.settings.home / "quarantine" / "run=nobody").mkdir()
    shutil.copy(file, workspace.settings.home / "quarantine" / "run=nobody" / "stranger.parquet")
    bench = bench_of(workspace)
    assert [path.name for path in bench.index.strange] == ["run=nobody"]
    assert sum(one.rows for one in groups(bench.index, TEXTS)) == 6
    assert [len(one.foreign) for one in shelves(bench.index, ALL)] == [0, 1]
    file.unlink()
    accepted(workspace, replace(TEXTS, runs=(second,)), CAST)
    with pytest.raises(UserError, match=r"reason=type/.* is gone"):
        press(workspace, TEXTS)
    made = press(workspace, replace(TEXTS, runs=(second,)))
    assert made is not None
    assert (made.published, made.duplicates) == (2, 1)


def test_a_repair_is_for_the_runs_that_were_there(workspace: Workspace) -> None:
    """Rows that come later with the same mistake are not repaired by what nobody tried on them."""
    accepted(workspace, TEXTS, CAST)
    later = [make_event(id=f"e-{n}", event_ts=NOW + n) for n in range(GOOD)]
    later += [make_event(id="f", event_ts=NOW, signup_ts=" 1700000000000")]
    ingest(workspace, [*([event(run, n) for n in range(EVENTS)] for run in range(2)), later])
    made = press(workspace, ALL)
    assert made is not None
    assert (made.published, made.still_because) == (5, {"required plan": 4, "type signup_ts": 1})


def test_retention_and_replays_leave_each_other_alone(workspace: Workspace) -> None:
    """Originals that a policy deletes after a replay, and the replay's rows later: the proof agrees at each step."""
    accepted(workspace, TEXTS, CAST)
    made = press(workspace, ALL)
    assert made is not None
    kept = replace(
        workspace.pipeline, retention=Retention(published=DAYS, quarantine=DAYS, dead_letters=DAYS, duplicates=DAYS)
    )
    workspace = replace(workspace, pipeline=kept)
    later = Judge(workspace=workspace, now=later_than(workspace, 91), incidents={})
    goes = [one for one in later.verdicts() if isinstance(one, Goes)]
    assert {one.what for one in goes} >= {"published", "quarantine"}
    for what in ("quarantine", "published", "duplicates"):
        retire_all(workspace, what, [one for one in goes if one.what == what])
        assert prove(workspace).holds, prove(workspace).findings


def later_than(workspace: Workspace, days: int) -> datetime:
    """Return a time so many days after the last run."""
    return max(one.opened_at for one in workspace.store.runs.standing()) + timedelta(days=days)


def retire_all(workspace: Workspace, what: str, goes: list[Goes]) -> None:
    """Delete what a policy lets go."""
    for one in goes:
        assert one.what == what
        retire(workspace, one, later_than(workspace, 91))


def test_runs_from_which_a_replay_took_are_not_read_again(workspace: Workspace) -> None:
    """A backfill would publish the same events a second time; when the replay is taken back it may."""
    accepted(workspace, TEXTS, CAST)
    made = press(workspace, ALL)
    assert made is not None
    (first, *_) = [one.run_id for one in workspace.store.runs.standing()]
    with pytest.raises(UserError, match=f"mend quarantine undo {made.run_id}"):
        refuse_replayed(workspace, {first})
    refuse_replayed(workspace, {"another"})
    undo_replay(workspace, made.run_id, **SAID)
    refuse_replayed(workspace, {first})


def mend(workspace: Workspace, *words: str) -> tuple[int, Any]:
    """Run a command in the world; returns its exit code and its JSON."""
    variables = {"MEND_HOME": str(workspace.settings.home), "MEND_PIPELINES": str(ROOT / "pipelines"),
                 "DATABASE_URL": "", "PARQUET_OUT": "", "FAULT_AT": ""}  # fmt: skip
    done = CliRunner().invoke(cli, ["quarantine", *words, "--json"], env=variables)
    if isinstance(done.exception, UserError):
        return done.exception.exit_code, str(done.exception)
    return done.exit_code, orjson.loads(done.stdout)


def test_the_commands_say_before_they_do(made: Path, home: Path) -> None:
    """What is not agreed to changes nothing; what a trial refuses is exit code 3, rows that still wait are 1."""
    shutil.copytree(made, home / "data")
    with open_workspace(World(home=home / "data").settings, "customers") as workspace:
        (texts, missing) = (one["id"] for one in mend(workspace, "group")[1])
        (proposal, *_) = mend(workspace, "repair", missing)[1]
        assert proposal["command"] == (
            f"mend quarantine repair {missing} --pipeline customers --mapping plan=tariff --yes"
        )
        assert mend(workspace, "repair", texts, "--cast", "signup_ts=int")[1]["accepted"] is None
        assert mend(workspace, "repair", texts, "--cast", "signup_ts=trim", "--yes")[0] == 3
        assert mend(workspace, "repair", texts, "--sql", "id=(SELECT 1)", "--yes")[0] == 2
        assert "neither a cause nor a run" in mend(workspace, "show", "nobody")[1]
        assert mend(workspace, "replay", "--yes")[1]["published"] == 0
        assert mend(workspace, "repair", texts, "--cast", "signup_ts=int", "--yes")[1]["accepted"]
        assert mend(workspace, "replay", "--dry-run")[1]["passes"] == 6
        assert mend(workspace, "replay")[0] == 2
        code, certificate = mend(workspace, "replay", "--yes")
        assert (code, certificate["published"], certificate["still_held"], certificate["proven"]) == (1, 5, 4, True)
        assert mend(workspace, "show", certificate["run_id"])[1] == certificate
        assert mend(workspace, "discard", missing, "--by", "ada", "--reason", "x", "--yes")[1]["rows"] == 4
        assert mend(workspace, "replay", "--yes") == (0, {"held": 0, "published": 0, "still_held": 0})
