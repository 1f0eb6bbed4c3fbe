"""A renamed field: it is found by names and values, tried on rows that are there, and remapped alone or offered."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pyarrow.dataset import dataset

from mend.store.trials import hash_of
from tests.fast.conftest import make_event
from tests.fast.lane import Lane, open_lane


@pytest.fixture
def lane(home: Path) -> Iterator[Lane]:
    """Open a lane of the test's own."""
    with open_lane(home) as opened:
        yield opened


def events(first: int, many: int = 60, **renames: str) -> list[bytes]:
    """Return events with values of their own, some fields under another name."""
    now = int(time.time() * 1000)
    found = []
    for number in range(first, first + many):
        made = make_event(
            id=f"c-{number}", event_ts=now - 60_000 - number, email=f"person{number % 50}@example.org",
            country=("US", "GB", "DE", "FR")[number % 4], plan=("free", "basic", "premium")[number % 3],
        )  # fmt: skip
        event: dict[str, Any] = orjson.loads(made)
        found.append(orjson.dumps({renames.get(name, name): value for name, value in event.items()}))
    return found


def test_a_renamed_field_is_remapped_alone(lane: Lane) -> None:
    """Found, tried, remapped without a person; the next batch reads it, and each row says which version made it."""
    good = lane.run(*events(0))
    run_id = lane.stage(*events(100, email="email_address"))
    drift = lane.report(run_id).drift
    assert drift is not None
    (found,) = drift.renamed_candidates
    assert (found.old, found.new, found.action) == ("email", "email_address", "apply")
    name, trial = lane.workspace.store.trials.get("customers", found.trial or "-") or ("", None)
    assert trial is not None
    assert name == hash_of(trial)
    assert (trial.passed, trial.set_aside.rows, trial.set_aside.fit, trial.set_aside_before.fit) == (True, 60, 60, 0)
    assert (trial.good_run, trial.again.rows, trial.again.fit) == (good, 60, 60)
    assert {one.column: one.distance for one in trial.columns}["email"] == 0
    step = lane.decide(run_id)
    assert step.facts["decision"] == "remap", step.message
    current = lane.workspace.store.mappings.current("customers")
    assert current is not None
    assert (current.version, current.decision_run, current.trial) == (2, run_id, name)
    email = current.field("email")
    assert email is not None
    assert (email.source, email.renamed_from) == ("email_address", "email")
    third = lane.run(*events(200, email="email_address"))
    assert not (lane.report(third).drift or drift).detected
    (path,) = lane.workspace.layout.published(third).rglob("*.parquet")
    table = pq.read_table(path, partitioning=None)
    assert table["email"].to_pylist()[:1] == ["person0@example.org"]
    assert set(table["mapping_version"].to_pylist()) == {2}
    assert lane.certify().proof.findings == ()


def test_a_rename_is_found_beside_values_of_any_letters(lane: Lane) -> None:
    """Published rows are tried again as the events that they came in, with letters of all scripts and backslashes."""
    lane.run(*(orjson.dumps(orjson.loads(one) | {"name": "Ánge\\x41 Peña"}) for one in events(0)))
    run_id = lane.stage(*events(100, email="email_address"))
    drift = lane.report(run_id).drift
    assert drift is not None
    (found,) = drift.renamed_candidates
    assert (found.new, found.action) == ("email_address", "apply")
    _, trial = lane.workspace.store.trials.get("customers", found.trial or "-") or ("", None)
    assert trial is not None
    assert (trial.again.rows, trial.again.fit) == (60, 60)


def test_a_new_field_of_a_run_is_filled_before_it_is_published(lane: Lane) -> None:
    """The run that brought a field is published with it: rescued values are back-filled, others stay rescued."""
    lane.run(*events(0))
    scored = [
        orjson.dumps(orjson.loads(one) | {"score": number / 2, "odd": 1}) for number, one in enumerate(events(100))
    ]
    odd = orjson.dumps(orjson.loads(events(300, 1)[0]) | {"score": "high"})
    run_id = lane.run(*scored)
    (path,) = lane.workspace.layout.published(run_id).rglob("*.parquet")
    table = pq.read_table(path, partitioning=None)
    assert table["score"].to_pylist() == [number / 2 for number in range(60)]
    assert (set(table["mapping_version"].to_pylist()), set(table["rescued"].to_pylist())) == ({2}, {None})
    staged_before = lane.stage(*events(200), odd)
    lane.decide(staged_before)
    assert lane.certify().proof.findings == ()


def test_a_rename_whose_trial_failed_is_for_a_person(lane: Lane) -> None:
    """However sure the match: a mapping by which no row would fit is not used alone."""
    lane.run(*events(0))
    without = [orjson.loads(one) for one in events(100, email="email_address")]
    run_id = lane.run(*(orjson.dumps({key: one[key] for key in one if key != "name"}) for one in without))
    drift = lane.report(run_id).drift
    assert drift is not None
    (found,) = drift.renamed_candidates
    assert (found.old, found.new, found.action) == ("email", "email_address", "ask")
    _, trial = lane.workspace.store.trials.get("customers", found.trial or "-") or ("", None)
    assert trial is not None
    assert trial.against == ("no set-aside row fits by reading email from elsewhere",)
    assert lane.workspace.store.mappings.current("customers") is None


def test_readers_take_old_and_new_files_in_one_scan(lane: Lane) -> None:
    """A column that came later: joined by name it is null before; readers that do not join read on without it."""
    lane.run(*events(0, 20))
    lane.run(*(orjson.dumps(orjson.loads(one) | {"score": 0.5}) for one in events(100, 20)))
    folder = lane.workspace.settings.published
    files = {"files": f"{folder}/**/*.parquet"}
    with duckdb.connect() as db:
        by_name = "SELECT count(*), count(score) FROM read_parquet($files, union_by_name=true)"
        joined = db.execute(by_name, files).fetchall()
        plain = db.execute("SELECT count(*) FROM read_parquet($files)", files).fetchall()
    assert (joined, plain) == ([(40, 20)], [(40,)])
    newest = pq.read_schema(max(folder.rglob("*.parquet")))
    assert len(pd.read_parquet(folder)) == 40
    found = pd.read_parquet(folder, schema=newest)
    assert (len(found), int(found["score"].count())) == (40, 20)
    assert dataset(folder, schema=newest).to_table(columns=["score"]).num_rows == 40
