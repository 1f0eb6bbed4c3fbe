"""The proof of replays: an event that was set aside and published later is in one place, and only such an event."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mend.proof.facts import Finding
from tests.fast.test_proof import Home, Position, at, write

FROM_A = {"run_id": "a", "place": "rejected", "topic": "t", "partition": 0}
TOO_FEW = FROM_A | {"into": "published", "rows": 5}
OF_NOBODY = FROM_A | {"run_id": "x", "into": "published", "rows": 6}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Make a run with ten rejected events and two held ones, and a replay that published six and found a duplicate."""
    made = Home(tmp_path)
    made.run("a", {0: (0, 20)}, published=at(0, *range(8)), rejected=at(0, *range(8, 18)), held=at(0, 18, 19))
    replayed(made, "q", at(0, *range(8, 14)), at(0, 14))
    return made


def replayed(home: Home, run: str, published: list[Position], duplicate: list[Position]) -> None:
    """Settle a replay of the first run's rejected events."""
    home.run(run, {}, published=published, duplicate=duplicate)
    places = {"published": published, "duplicate": duplicate}
    takes = [FROM_A | {"into": place, "rows": len(rows)} for place, rows in places.items()]
    home.change(run, takes=takes)
    home.manifest(run).with_name("run_report.json").unlink()


def test_a_sound_replay_is_certified(home: Home) -> None:
    """Its events count where they are now, the others where they wait; no offset is counted twice."""
    proof = home.prove()
    assert (proof.holds, proof.offsets) == (True, 20)
    assert proof.partitions[0].counts == {"published": 14, "rejected": 3, "held": 2, "duplicate": 1}
    assert home.prove(run_id="q").holds
    assert home.prove(run_id="a").holds


def files(home: Home, run: str, place: str, *positions: Position) -> None:
    """Put other events into a file of a replay, and count them in its manifest and in what it says it took."""
    write(home.path(run, place), positions, prefix="kafka_" if place == "published" else "")
    document = json.loads(home.manifest(run).read_text())
    for one in (*document["files"], *document["takes"]):
        if one.get("place") == place or one.get("into") == place:
            one["rows"] = len(positions)
    home.change(run, files=document["files"], takes=document["takes"])


Damage = Callable[[Home], None]
FAULTS: dict[str, tuple[Damage, str, int | None]] = {
    "it has an event that was published": (lambda home: files(home, "q", "published", *at(0, 7, 8)), "double", 7),
    "it has an event of no run": (lambda home: files(home, "q", "published", *at(0, 8, 99)), "outside", 99),
    "it has an event twice": (lambda home: files(home, "q", "published", *at(0, 8, 8)), "double", 8),
    "it has it as a duplicate, too": (lambda home: files(home, "q", "duplicate", *at(0, 9)), "double", 9),
    "another replay has it": (lambda home: replayed(home, "z", at(0, 10), []), "double", 10),
    "it says other counts": (lambda home: home.change("q", takes=[TOO_FEW]), "count", None),
    "its file is gone": (lambda home: home.path("q", "published").unlink(), "gone", None),
    "its run is gone": (lambda home: home.change("q", takes=[OF_NOBODY]), "outside", 8),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_at_its_offset(home: Home, fault: str) -> None:
    """What no run set aside, what is there twice, and what is not there."""
    damage, kind, offset = FAULTS[fault]
    damage(home)
    found: tuple[Finding, ...] = home.prove().findings
    assert (kind, offset) in [(one.kind, one.offset) for one in found], found
    assert all(one.pipeline == "p" for one in found)


def test_a_replay_that_is_not_settled_says_nothing(home: Home) -> None:
    """Before it is settled its events count where they wait, and after it was taken back they do again."""
    for state in ("decided", "replaced"):
        home.states["q"] = ("p", state)
        if state == "replaced":
            home.path("q", "published").unlink()
            home.path("q", "duplicate").unlink()
        proof = home.prove()
        assert proof.holds, proof.findings
        assert proof.partitions[0].counts == {"published": 8, "rejected": 10, "held": 2}


def test_originals_may_be_deleted(home: Home) -> None:
    """Retention took the originals, which stay counted; the replay must still have none that its run published."""
    gone = {"place": "rejected", "topic": "t", "partition": 0, "rows": 10, "retired_at": "2026", "policy": "90 days"}
    home.path("a", "rejected").unlink()
    home.change("a", retired=[gone])
    assert home.prove().holds
    files(home, "q", "published", *at(0, 3))
    assert ("double", 0, 3) in home.found()
