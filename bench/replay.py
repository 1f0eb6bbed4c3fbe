"""Trial and replay of rows that wait, against the ingest path: each in events a second, the ingest by the Spark job.

The rows are customer events with a number as a text, rejected by their type; the repair casts it. `ours` is the
replay: repair, pass, duplicates, staging, publishing, certificate. The trial, and the press with its audit, stand
beside.
"""

import sys
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from bench.arena import CUSTOMERS, Arena, arena, fill_customers
from bench.measure import Wish, compare, show, wish
from mend.contracts.decision import Rows
from mend.contracts.quarantine import Selection, Step
from mend.contracts.report import PartitionRange, Places
from mend.curate.curator import Curator
from mend.curate.decode import decode_json
from mend.curate.kept import RECORD
from mend.curate.plan import make_plan
from mend.curate.staging import Manifest, StagedWriter, write_manifest
from mend.runtime import clock
from mend.runtime.settings import Settings, load_settings
from mend.store.tables import RunState
from orchestration.held import accept, replay_rows, trial_of
from orchestration.settle import settle
from orchestration.settled_manifest import begun
from orchestration.workspace import Workspace, open_workspace
from producer.anomalies import Anomalies
from producer.kinds import KINDS, KindName
from producer.messages import Format, messages

AT_ONCE = 200_000
RUN = "customers-held-000000"
ALL = Selection()
CAST = Step(kind="cast", target="signup_ts", value="int")
CLEAN = Anomalies(late=0, drift_frequency=0, missing=0)


def values(events: int, start: int) -> list[bytes]:
    """Return events that an ingest rejects."""
    made = messages(7, start_ts=start, anomalies=CLEAN, kind=KINDS[KindName.CUSTOMERS], form=Format.JSON)
    found = (orjson.loads(one.value) for one in islice(made, events))
    return [orjson.dumps(one | {"signup_ts": str(one["signup_ts"])}) for one in found]


def records(some: list[bytes], first: int) -> pa.Table:
    """Return events as Kafka gives them."""
    many = len(some)
    columns = {
        "key": pa.array([b"key"] * many), "value": pa.array(some, pa.binary()), "topic": ["customers"] * many,
        "partition": pa.array(np.zeros(many, np.int32)), "offset": np.arange(first, first + many),
        "timestamp": pa.array([clock.now()] * many, pa.timestamp("us", tz="UTC")),
    }  # fmt: skip
    return pa.table({one.name: columns[one.name] for one in RECORD if one.name in columns})


def hold(workspace: Workspace, events: list[bytes]) -> None:
    """Settle a run whose every event is rejected."""
    at, layout = clock.now(), workspace.layout
    plan = make_plan(workspace.pipeline, workspace.rules)
    workspace.store.runs.open_run(RUN, "customers", None, None, at)
    curator, folder = Curator(plan, decode_json, run_id=RUN, now=at), layout.staged(RUN)
    with StagedWriter(folder, "0") as writer:
        for first in range(0, len(events), AT_ONCE):
            writer.add(curator.curate(records(events[first : first + AT_ONCE], first)))
    write_manifest(folder, Manifest(run_id=RUN, pipeline="customers", mapping_version=1, files=tuple(writer.files)))
    many = len(events)
    part = PartitionRange(topic="customers", partition=0, from_offset=0, until_offset=many, records=many,
                          places=Places(rejected=many))  # fmt: skip
    workspace.store.ledger.record_ranges(RUN, [part])
    for state in (RunState.STAGED, RunState.AUDITED, RunState.DECIDED):
        workspace.store.runs.advance(RUN, state, at)
    manifest = begun(RUN, "customers", workspace.store.ledger.ranges(RUN), settled_at=at.isoformat(), sparse=False)
    settle(layout, workspace.sink, manifest, Rows.PUBLISH, ())
    workspace.store.ledger.settle(RUN, {}, {})
    for state in (RunState.PUBLISHED, RunState.VALIDATED):
        workspace.store.runs.advance(RUN, state, at)


def pressed(settings: Settings, events: list[bytes]) -> dict[str, float]:
    """Hold events, try a repair, accept it, replay; returns the seconds of each."""
    with open_workspace(settings, str(CUSTOMERS)) as workspace:
        hold(workspace, events)
        began = perf_counter()
        trial = trial_of(workspace, ALL, [CAST])
        tried = perf_counter()
        accept(workspace, ALL, [CAST], trial, "bench")
        accepted = perf_counter()
        made = replay_rows(workspace, ALL, by="bench", reason="bench")
        ended = perf_counter()
        if made is None or not made.proven or made.published + made.duplicates != len(events):
            sys.exit(f"{made}: no measurement")
        run = workspace.store.runs.get(made.run_id)
        audit = run.quality.seconds if run and run.quality else 0.0
    return {"trial": tried - began, "press": ended - accepted, "audit": audit or 0.0}


def alone(events: list[bytes]) -> dict[str, float]:
    """Do it in a home of its own."""
    with TemporaryDirectory(prefix="mend-bench-") as name:
        home = load_settings(mend_home=Path(name), parquet_out=None, spark_checkpoint_location=None, database_url="")
        return pressed(home, events)


def measure(asked: Wish) -> dict[str, Any]:
    """Compare both over as many events."""
    many, runs = asked.events or (100_000 if asked.quick else 1_000_000), 3
    events = values(many, int(clock.now().timestamp() * 1000) - 60_000)
    seconds: list[dict[str, float]] = []

    def ours() -> float:
        seconds.append(alone(events))
        return many / (seconds[-1]["press"] - seconds[-1]["audit"])

    with arena() as place:
        fill_customers(place.broker, many)
        ingest_once(place)
        ours()
        compared = compare(
            "replay", ">= 0.8 x the ingest path", "events/s", ours, lambda: many / ingest_once(place), runs
        )
    rates = {name: round(many / min(one[name] for one in seconds)) for name in ("trial", "press")}
    return compared | {"events": many, "events_per_second": rates}


def ingest_once(place: Arena) -> float:
    """Return the seconds of the job over the topic, in a new home."""
    return place.ours(CUSTOMERS)


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    result = measure(asked)
    show(result, as_json=asked.json)
    if not asked.json:
        sys.stdout.write(f"{result['events_per_second']}\n")
