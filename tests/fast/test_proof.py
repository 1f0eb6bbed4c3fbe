"""The proof over files made by hand: each fault is found at its offset, and the same files without it are certified."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mend.proof.facts import Finding, Statement
from mend.proof.prove import Known, Proof, Scope, prove

FOLDERS = {
    "published": "run={run}/event_date=2026-03-01/a.parquet",
    "held": "quarantine/run={run}/reason=held/event_date=2026-03-01/a.parquet",
    "rejected": "quarantine/run={run}/reason=type/a.parquet",
    "dead_letter": "dead_letters/run={run}/a.parquet",
    "duplicate": "duplicates/run={run}/a.parquet",
}
Position = tuple[int, int]


def write(path: Path, positions: Iterable[Position], *, topic: str = "t", prefix: str = "kafka_") -> None:
    """Write a file with events at these partitions and offsets."""
    rows = list(positions)
    columns = {
        f"{prefix}topic": pa.array([topic] * len(rows), pa.string()),
        f"{prefix}partition": pa.array([one for one, _ in rows], pa.int32()),
        f"{prefix}offset": pa.array([one for _, one in rows], pa.int64()),
        "value": ["x"] * len(rows),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


@dataclass
class Home:
    """A MEND_HOME with settled runs, and what store and broker say about them."""

    folder: Path
    known: Known = field(default_factory=Known)
    states: dict[str, tuple[str, str]] = field(default_factory=dict)
    ledger: dict[str, list[Statement]] = field(default_factory=dict)

    @property
    def published(self) -> Path:
        """Where readers read: not below the home."""
        return self.folder / "elsewhere"

    def path(self, run: str, place: str) -> Path:
        """Return the file of a place."""
        return (self.published if place == "published" else self.folder) / FOLDERS[place].format(run=run)

    def manifest(self, run: str) -> Path:
        """Return the run's manifest."""
        return self.folder / "ops" / "runs" / run / "manifest.json"

    def run(
        self, run: str, ranges: dict[int, Position], state: str = "validated", *, records: int | None = None,
        **places: list[Position],
    ) -> None:  # fmt: skip
        """Settle a run: write its files, its manifest and its report, and enter it in the ledger."""
        for place, positions in places.items():
            write(self.path(run, place), positions, prefix="kafka_" if place in {"published", "held"} else "")
        files = [
            {"place": place, "rows": len(rows), "bytes": self.path(run, place).stat().st_size,
             "path": FOLDERS[place].format(run=run)}
            for place, rows in places.items()
        ]  # fmt: skip
        parts: list[dict[str, Any]] = []
        for partition, (start, end) in ranges.items():
            counts = {place: sum(one == partition for one, _ in rows) for place, rows in places.items()}
            many = sum(counts.values()) if records is None else records
            part = {"topic": "t", "partition": partition, "from_offset": start, "until_offset": end, "records": many}
            accepted = counts.get("published", 0) + counts.get("held", 0)
            report = {one: counts.get(one, 0) for one in ("rejected", "dead_letter", "duplicate")}
            parts.append(part | {"places": report | {"accepted": accepted}})
        bare = [{name: value for name, value in part.items() if name != "places"} for part in parts]
        document = {"run_id": run, "pipeline": "p", "settled_at": f"2026-03-0{len(self.states) + 1}", "ranges": bare}
        self.change(run, **document, files=files, replaces=[], retired=[], sparse=False)
        self.manifest(run).with_name("run_report.json").write_text(json.dumps({"partitions": parts}))
        self.states[run] = ("p", state)
        self.ledger[run] = [
            Statement(
                source="ledger", where=("t", int(one["partition"])), start=one["from_offset"], end=one["until_offset"],
                records=one["records"], places=one["places"],
            )
            for one in parts
        ]  # fmt: skip

    def change(self, run: str, **changes: Any) -> None:
        """Rewrite parts of a manifest."""
        path = self.manifest(run)
        path.parent.mkdir(parents=True, exist_ok=True)
        document = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(document | changes))

    def prove(self, **scope: Any) -> Proof:
        """Prove what was asked for."""
        known = replace(self.known, states=self.states, ledger=self.ledger)
        return prove(self.folder, self.published, lambda: known, Scope(**scope))

    def found(self, **scope: Any) -> list[tuple[str, int | None, int | None]]:
        """Return kind, partition and offset of what was found."""
        return [(one.kind, one.partition, one.offset) for one in self.prove(**scope).findings]


def at(partition: int, *offsets: int) -> list[Position]:
    """Return positions in a partition."""
    return [(partition, one) for one in offsets]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Make two runs over two partitions, with events in every place."""
    made = Home(tmp_path)
    made.run(
        "a", {0: (0, 10), 1: (3, 5)},
        published=[*at(0, 0, 1, 2, 3, 9, 8), *at(1, 3)], rejected=at(0, 5), dead_letter=at(0, 4, 6),
        duplicate=[*at(0, 7), *at(1, 4)],
    )  # fmt: skip
    made.run("b", {0: (10, 20), 1: (5, 5)}, "held", held=at(0, *range(10, 20)))
    return made


def test_a_sound_home_is_certified(home: Home) -> None:
    """Every offset is counted once, each partition is proven from its first offset to its last."""
    proof = home.prove()
    assert proof.holds
    assert (proof.runs, proof.offsets) == (2, 22)
    assert [(one.partition, one.from_offset, one.verified_through, one.until_offset) for one in proof.partitions] == [
        (0, 0, 20, 20), (1, 3, 5, 5),
    ]  # fmt: skip
    assert proof.partitions[0].counts == {
        "published": 6, "rejected": 1, "dead_letter": 2, "duplicate": 1, "held": 10,
    }  # fmt: skip


def rewrite(run: str, place: str, *positions: Position) -> Callable[[Home], None]:
    """Put other events into a file, and count them in its manifest."""

    def damage(home: Home) -> None:
        prefix = "kafka_" if place in {"published", "held"} else ""
        write(home.path(run, place), positions, prefix=prefix)
        document = json.loads(home.manifest(run).read_text())
        for file in document["files"]:
            if file["place"] == place:
                file["rows"] = len(positions)
        home.change(run, files=document["files"])

    return damage


def copied(source: tuple[str, str], target: str) -> Callable[[Home], None]:
    """Copy a file to where readers find it."""

    def damage(home: Home) -> None:
        path = home.published / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(home.path(*source).read_bytes())

    return damage


def spoilt(run: str, place: str, content: bytes) -> Callable[[Home], None]:
    """Write something else into a file."""
    return lambda home: void(home.path(run, place).write_bytes(content))


def half(home: Home) -> None:
    """Cut a Parquet file in two."""
    path = home.path("a", "published")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(home: Home) -> None:
    """Turn the bytes of the first page over, and leave the footer."""
    path = home.path("b", "held")
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(255 - one for one in content[4:200])
    path.write_bytes(content)


def rows_without_position(home: Home) -> None:
    """Write a file without offsets."""
    pq.write_table(pa.table({"value": ["x"] * 7}), home.path("a", "published"))


def unreadable(home: Home) -> None:
    """Put a file where readers look that is none of ours."""
    (home.published / "x.parquet").write_bytes(b"x")


def half_manifest(home: Home) -> None:
    """Cut a manifest in two."""
    home.manifest("b").write_text('{"run_id": "b", ')


def half_report(home: Home) -> None:
    """Cut a report in two."""
    home.manifest("a").with_name("run_report.json").write_text("{")


def older_events(home: Home) -> None:
    """Let the broker have offsets before the first one read."""
    home.known = Known(watermarks={("p", "t", 1): (0, 9)})


def void(_: object) -> None:
    """Return nothing."""


def moved(run: str, partition: int, start: int, end: int) -> Callable[[Home], None]:
    """Let manifest, ledger and report tell another range."""

    def damage(home: Home) -> None:
        document = json.loads(home.manifest(run).read_text())
        report = json.loads(home.manifest(run).with_name("run_report.json").read_text())
        for one in (*document["ranges"], *report["partitions"]):
            if one["partition"] == partition:
                one["from_offset"], one["until_offset"] = start, end
        home.change(run, ranges=document["ranges"])
        home.manifest(run).with_name("run_report.json").write_text(json.dumps(report))
        home.ledger[run] = [
            replace(one, start=start, end=end) if one.where[1] == partition else one for one in home.ledger[run]
        ]

    return damage


def miscounted(home: Home) -> None:
    """Let the ledger say that one more was rejected, and one fewer a duplicate."""
    first, *rest = home.ledger["a"]
    home.ledger["a"] = [replace(first, places={**first.places, "rejected": 2, "duplicate": 0}), *rest]


def other_range(home: Home) -> None:
    """Let the ledger say that the run took an offset more."""
    home.ledger["b"] = [replace(one, end=one.end + 1) for one in home.ledger["b"]]


def misreported(home: Home) -> None:
    """Let the report tell other counts."""
    path = home.manifest("a").with_name("run_report.json")
    path.write_text(path.read_text().replace('"dead_letter": 2', '"dead_letter": 3'))


FAULTS: list[tuple[str, Callable[[Home], None], tuple[str, int | None, int | None]]] = [
    ("a hole in a file", rewrite("b", "held", *at(0, *range(10, 14), *range(15, 20))), ("hole", 0, 14)),
    ("a hole at the end", rewrite("b", "held", *at(0, *range(10, 19))), ("hole", 0, 19)),
    ("a hole at the start", rewrite("b", "held", *at(0, *range(11, 20))), ("hole", 0, 10)),
    ("twice in a file", rewrite("b", "held", *at(0, *range(10, 20), 12)), ("double", 0, 12)),
    ("in two places", rewrite("a", "rejected", *at(0, 5, 4)), ("double", 0, 4)),
    ("in two places, one gone", rewrite("a", "rejected", *at(0, 4)), ("double", 0, 4)),
    ("after the range", rewrite("b", "held", *at(0, *range(10, 21))), ("outside", 0, 20)),
    ("before the range", rewrite("b", "held", *at(0, 8, *range(10, 20))), ("outside", 0, 8)),
    ("in a partition that was not read", rewrite("a", "rejected", *at(0, 5), *at(7, 30)), ("outside", 7, 30)),
    ("a file that is gone", lambda home: home.path("a", "dead_letter").unlink(), ("gone", 0, 4)),
    ("a file with a row less", lambda home: write(home.path("a", "dead_letter"), at(0, 4), prefix=""), ("rows", 0, 6)),
    ("a file of nothing", spoilt("a", "published", b""), ("unreadable", 0, 0)),
    ("a file that is no Parquet", spoilt("a", "rejected", b"PAR1 no, it is not PAR1"), ("unreadable", 0, 5)),
    ("half a file", half, ("unreadable", 0, 0)),
    ("a page that is broken", flipped, ("unreadable", 0, 10)),
    ("rows without a position", rows_without_position, ("unreadable", 0, 0)),
    ("a stray in a run's folder", copied(("b", "held"), "run=a/b.parquet"), ("stray", 0, 10)),
    ("a run that is published twice", copied(("a", "published"), "run=c/a.parquet"), ("stray", 0, 0)),
    ("a stray outside of all runs", copied(("a", "published"), "a.parquet"), ("stray", 0, 0)),
    ("a stray that cannot be read", unreadable, ("stray", None, None)),
    ("runs that overlap", moved("b", 0, 8, 20), ("overlap", 0, 8)),
    ("a gap between runs", moved("a", 0, 0, 8), ("gap", 0, 8)),
    ("a manifest that is gone", lambda home: home.manifest("b").unlink(), ("manifest", 0, 10)),
    ("a manifest that is half", half_manifest, ("manifest", 0, 10)),
    ("a manifest of another run", lambda home: home.change("b", run_id="a"), ("manifest", 0, 10)),
    ("a manifest with a strange place", lambda home: home.change("b", files=[{"place": "attic"}]), ("manifest", 0, 10)),
    ("a run that the ledger lost", lambda home: void(home.states.pop("a")), ("manifest", 0, 0)),
    ("ledger and files differ", miscounted, ("ledger", 0, None)),
    ("ledger and manifest differ", other_range, ("ledger", 0, None)),
    ("report and files differ", misreported, ("report", 0, None)),
    ("a report that is half", half_report, ("report", None, None)),
    ("events that the broker still has", older_events, ("gap", 1, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "expected"), [pytest.param(*rest, id=name) for name, *rest in FAULTS])
def test_each_fault_is_found(
    home: Home, damage: Callable[[Home], None], expected: tuple[str, int | None, int | None]
) -> None:
    """A finding names kind, partition and offset; before the damage there was none."""
    assert home.prove().holds
    damage(home)
    assert expected in home.found()


def finding(home: Home) -> Finding:
    """Return the only finding."""
    (found,) = home.prove().findings
    return found


def test_a_double_names_its_places(home: Home) -> None:
    """Who looks for the cause sees both."""
    rewrite("a", "rejected", *at(0, 5, 7))(home)
    assert finding(home).places == ("rejected", "duplicate")
    assert str(finding(home)) == "double: t/0 offset 7: a: it is in rejected and duplicate"


def test_an_event_that_is_published_twice_names_both_runs(home: Home) -> None:
    """A copy of a run's folder is a file that nobody vouches for, and the run that has the event is named."""
    copied(("a", "published"), "run=c/a.parquet")(home)
    assert finding(home).text.endswith("run=c/a.parquet is named by no manifest; the offset is in a, too")


def test_verified_through_stops_at_the_first_fault(home: Home) -> None:
    """It moves over whole runs without a finding, and not over what comes behind one that has one."""
    home.run("c", {0: (20, 30)}, published=at(0, *range(20, 30)))
    assert home.prove().partitions[0].verified_through == 30
    rewrite("b", "held", *at(0, *range(10, 19)))(home)
    assert home.prove().partitions[0].verified_through == 10


@pytest.mark.parametrize("state", ["staged", "audited", "decided"])
def test_a_run_that_is_not_settled_is_no_hole(home: Home, state: str) -> None:
    """Its offsets are told as not settled yet, what it set aside is no stray, and nothing behind it is proven."""
    home.run("c", {0: (20, 30)}, published=at(0, *range(20, 30)))
    home.states["b"] = ("p", state)
    proof = home.prove()
    assert proof.holds
    assert proof.not_settled == (("b", state),)
    assert proof.partitions[0].verified_through == 10
    home.manifest("b").unlink()
    assert home.prove().holds
    home.ledger["b"] = []
    assert ("gap", 0, 10) in home.found()


def test_a_readable_file_of_an_unsettled_run_needs_its_manifest(home: Home) -> None:
    """The manifest is there before the rename: without one a readable file is a stray, whatever the run's state."""
    home.states["a"] = ("p", "decided")
    assert home.prove().holds
    home.manifest("a").unlink()
    assert ("stray", 0, 0) in home.found()


def test_a_sparse_topic_has_holes_and_counts(home: Home) -> None:
    """Offsets without an event are normal there; but as many events must be there as the broker gave."""
    home.run("c", {0: (20, 40)}, published=at(0, 21, 30, 38))
    assert ("hole", 0, 20) in home.found()
    home.known = Known(sparse=frozenset({"p"}))
    assert home.prove().holds
    home.known = Known()
    home.change("c", sparse=True)
    assert home.prove().holds
    rewrite("c", "published", *at(0, 21, 38))(home)
    assert ("count", 0, 20) in home.found()


def test_what_was_lost_at_the_source_is_no_hole(home: Home) -> None:
    """Neither between two runs nor inside one; a hole that is wider than the loss is one from there on."""
    home.run("c", {0: (25, 40)}, published=at(0, *range(28, 40)))
    assert ("gap", 0, 20) in home.found()
    home.known = Known(lost={("p", "t", 0): [(20, 28)]})
    proof = home.prove()
    assert proof.holds
    assert (proof.partitions[0].lost, proof.partitions[0].verified_through) == (8, 40)
    home.known = Known(lost={("p", "t", 0): [(21, 26)]})
    assert home.found() == [("gap", 0, 20), ("hole", 0, 26)]


def test_a_replaced_run_does_not_count(home: Home) -> None:
    """The run that took its place has its offsets; left readable, the old files would be strays."""
    home.run("c", {0: (10, 20), 1: (5, 5)}, published=at(0, *range(10, 20)))
    assert ("overlap", 0, 10) in home.found()
    home.change("c", replaces=["b"])
    assert home.found() == [("stray", 0, 10)]
    home.path("b", "held").unlink()
    assert home.prove().holds
    assert home.prove().partitions[0].counts["published"] == 16


def test_a_run_that_is_being_replaced_is_not_settled(home: Home) -> None:
    """Between its retraction and the publishing of the new one it is neither lost nor doubled."""
    home.run("c", {0: (10, 20), 1: (5, 5)}, "decided", published=at(0, *range(10, 20)))
    home.change("c", replaces=["b"])
    home.path("b", "held").unlink()
    assert home.prove().holds
    assert home.prove().partitions[0].verified_through == 10


def test_what_retention_deleted_counts(home: Home) -> None:
    """Rows that were counted before they were deleted close the sum; the file may be there still, or not."""
    home.path("b", "held").unlink()
    assert ("gone", 0, 10) in home.found()
    rows = {"place": "held", "topic": "t", "partition": 0, "rows": 10, "retired_at": "x", "policy": "1 day"}
    home.change("b", retired=[rows])
    proof = home.prove()
    assert proof.holds
    assert (proof.partitions[0].retired, proof.partitions[0].verified_through) == (10, 20)
    home.change("b", retired=[rows | {"rows": 9}])
    assert ("count", 0, 10) in home.found()


def test_a_part_of_a_run_may_be_retired(home: Home) -> None:
    """What is left is still checked: doubles, and the sum with what was deleted."""
    rows = {"place": "published", "topic": "t", "retired_at": "x", "policy": "1 day"}
    home.change("a", retired=[rows | {"partition": 0, "rows": 6}, rows | {"partition": 1, "rows": 1}])
    assert home.prove().holds
    home.path("a", "published").unlink()
    assert home.prove().holds
    home.path("a", "dead_letter").unlink()
    assert {one.kind for one in home.prove().findings} == {"gone", "count"}


def test_one_run_is_proven_alone(home: Home) -> None:
    """Its findings only; and how far the partition is proven hangs on what was proven before."""
    assert home.prove(run_id="b").partitions[0].verified_through == 0
    home.known = Known(verified={("p", "t", 0): 10})
    assert home.prove(run_id="b").partitions[0].verified_through == 20
    rewrite("a", "rejected", *at(0, 4, 5))(home)
    assert home.prove(run_id="b").holds
    assert home.found(run_id="a") == [("double", 0, 4)]
    assert home.prove(run_id="a").partitions[0].verified_through == 0


def test_runs_since_a_time_are_read_and_older_ones_looked_at(home: Home) -> None:
    """An older run's files must be there with their size; what is in them was proven before."""
    home.known = Known(verified={("p", "t", 0): 10, ("p", "t", 1): 5})
    proof = home.prove(since="2026-03-02")
    assert (proof.holds, proof.runs, proof.partitions[0].verified_through) == (True, 1, 20)
    path = home.path("a", "duplicate")
    path.write_bytes(path.read_bytes() + b"x")
    assert [one.kind for one in home.prove(since="2026-03-02").findings] == ["bytes"]
    path.unlink()
    assert [one.kind for one in home.prove(since="2026-03-02").findings] == ["gone"]
    assert home.prove(since="2026-03-02").partitions[0].verified_through == 0


def test_two_pipelines_may_read_one_topic(home: Home) -> None:
    """Each has a proof of its own; asked for one, the other's faults are not told."""
    home.run("c", {0: (0, 3)}, published=at(0, 0, 1, 2))
    home.change("c", pipeline="q")
    home.states["c"] = ("q", "validated")
    assert home.prove().holds
    assert [one.pipeline for one in home.prove().partitions] == ["p", "p", "q"]
    rewrite("c", "published", *at(0, 0, 2))(home)
    assert home.prove(pipeline="p").holds
    assert home.found(pipeline="q") == [("hole", 0, 1)]


def test_nothing_is_certified_as_nothing(tmp_path: Path) -> None:
    """An empty home holds no event, and none is missing."""
    proof = Home(tmp_path).prove()
    assert (proof.holds, proof.runs, proof.offsets, proof.partitions) == (True, 0, 0, ())


def test_what_waits_in_the_topic_is_told(home: Home) -> None:
    """The broker's end says how much nobody has read yet; that is no fault."""
    home.known = Known(watermarks={("p", "t", 0): (0, 120), ("p", "t", 1): (4, 5)})
    assert [one.waiting for one in home.prove().partitions] == [100, 0]
    assert home.prove().holds
