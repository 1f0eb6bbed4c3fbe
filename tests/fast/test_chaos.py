"""What a campaign counts with: its count and its reader find the damage that they are there for."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.chaos.__main__ import good, summary
from bench.chaos.campaign import ELSEWHERE, RANDOM_TARGETS, percentile, plan
from bench.chaos.count import count
from bench.chaos.processes import Run
from bench.chaos.reader import Reader
from mend.runtime.faults import KILLED_AT, POINTS

SENT = [(0, offset) for offset in range(6)]
RESULT = {
    "kills": [{}], "asked": 1, "sent": 6, "unsent": 0, "places": {"published": 6}, "lost": 0, "doubled": 0,
    "proof": {"holds": True, "offsets": 6, "finding": None},
    "recovery_p50": 1.0, "recovery_p95": 2.0, "looks": 9, "anomalies": {},
}  # fmt: skip


def rows(path: Path, offsets: Sequence[int], prefix: str = "kafka_") -> Path:
    """Write rows of partition 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {
        f"{prefix}topic": ["t"] * len(offsets),
        f"{prefix}partition": pa.array([0] * len(offsets), pa.int32()),
        f"{prefix}offset": offsets,
        "id": [str(offset) for offset in offsets],
    }
    pq.write_table(pa.table(columns), path)
    return path


def home(folder: Path) -> tuple[Path, Path]:
    """Write six events into four places."""
    out = folder / "out" / "parquet"
    rows(out / "run=r-1" / "event_date=2026-01-01" / "a.parquet", [0, 1])
    rows(folder / "quarantine" / "run=r-1" / "reason=held" / "a.parquet", [2])
    rows(folder / "quarantine" / "run=r-1" / "reason=type" / "a.parquet", [3], "")
    rows(folder / "dead_letters" / "run=r-1" / "a.parquet", [4], "")
    rows(folder / "duplicates" / "run=r-1" / "a.parquet", [5])
    rows(folder / "staging" / "run=r-2" / "accepted" / "a.parquet", [0, 1, 9])
    return folder, out


def test_every_event_is_counted_where_it_lies(tmp_path: Path) -> None:
    """Six events in four places and a staged copy that does not count: none lost, none twice."""
    found = count(*home(tmp_path), SENT)
    assert found.whole
    assert found.places == {"published": 2, "held": 1, "rejected": 1, "dead_letter": 1, "duplicate": 1}


def test_a_loss_and_a_double_are_found(tmp_path: Path) -> None:
    """An event in no place is lost, one in two places is doubled, and one that nobody sent is one too many."""
    where = home(tmp_path)
    rows(tmp_path / "dead_letters" / "run=r-2" / "a.parquet", [2, 7], "")
    found = count(*where, [*SENT, (0, 6), (1, 0)])
    assert (set(found.lost), set(found.doubled)) == ({(0, 6), (1, 0)}, {(0, 2), (0, 7)})
    assert not found.whole


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """Return a reader that looks when it is told to, and has seen one run."""
    reader = Reader(tmp_path, key=("id",))
    reader.look()
    rows(tmp_path / "run=r-1" / "a.parquet", [0, 1])
    reader.look()
    assert (dict(reader.anomalies), list(reader.seen), reader.rows) == ({}, ["r-1"], 2)
    return reader


def test_whole_runs_one_after_the_other_are_no_anomaly(reader: Reader, tmp_path: Path) -> None:
    """A second run beside the first is what a reader is to see."""
    rows(tmp_path / "run=r-2" / "a.parquet", [2, 3])
    reader.look()
    assert not reader.anomalies
    assert list(reader.seen) == ["r-1", "r-2"]


@pytest.mark.parametrize(
    ("path", "offsets", "anomaly"),
    [
        ("run=r-1/b.parquet", [2], "run changed"),
        ("run=r-1/a.parquet", [0], "run changed"),
        ("run=r-2/a.parquet", [2, 1], "offset twice"),
        ("run=r-2/a.parquet", [1], "key twice"),
    ],
)
def test_the_reader_notes_what_may_not_be_seen(
    reader: Reader, tmp_path: Path, path: str, offsets: list[int], anomaly: str
) -> None:
    """A run that grows or shrinks after it was seen, and an event that is there twice."""
    rows(tmp_path / path, offsets)
    reader.look()
    assert anomaly in reader.anomalies


def test_the_reader_notes_a_run_that_is_gone(reader: Reader, tmp_path: Path) -> None:
    """What was readable stays readable."""
    (tmp_path / "run=r-1" / "a.parquet").unlink()
    reader.look()
    assert reader.anomalies == {"run gone": 1}


def test_the_reader_notes_a_file_that_is_half_there(reader: Reader, tmp_path: Path) -> None:
    """A file that cannot be read is not passed over."""
    path = rows(tmp_path / "run=r-2" / "a.parquet", [2, 3])
    path.write_bytes(path.read_bytes()[:-20])
    reader.look()
    assert [name.partition(":")[0] for name in reader.anomalies] == ["cannot read"]


def test_a_seed_plans_the_same_kills() -> None:
    """The same seed, the same order; each point and each part comes before any comes again."""
    first, again, other = (
        [str(kill) for kill, _ in zip(plan(Random(seed)), range(60), strict=False)] for seed in (1, 1, 2)
    )
    assert first == again != other
    names = {name.split(" ")[0] for name in first[: len(POINTS) - len(ELSEWHERE) + 2 * len(RANDOM_TARGETS)]}
    assert names == (POINTS.keys() - ELSEWHERE) | set(RANDOM_TARGETS)


@pytest.mark.parametrize(
    "worse", [{"lost": 1}, {"doubled": 1}, {"anomalies": {"run changed": 1}}, {"asked": 2}, {"unsent": 1}]
)
def test_only_a_harmless_campaign_is_good(worse: dict[str, object]) -> None:
    """Whatever is lost, twice, half seen, not killed or not sent makes it fail."""
    assert good(RESULT)
    assert not good(RESULT | worse)
    assert "kills 1/1, 0 lost, 0 doubled of 6 events (6 published)" in summary(RESULT)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({}, "mend prove: holds, 6 offsets (agrees)"),
        ({"proof": {"holds": True, "offsets": 5, "finding": None}}, "mend prove: holds, 5 offsets (DISAGREES)"),
        (
            {"proof": {"holds": False, "offsets": 6, "finding": "gap at 3"}},
            "mend prove: does not hold: gap at 3, 6 offsets (DISAGREES)",
        ),
        ({"lost": 1}, "mend prove: holds, 6 offsets (DISAGREES)"),
        (
            {"lost": 1, "proof": {"holds": False, "offsets": 5, "finding": "gap at 3"}},
            "mend prove: does not hold: gap at 3, 5 offsets (agrees)",
        ),
    ],
)
def test_the_proof_is_held_beside_the_count(result: dict[str, object], said: str) -> None:
    """`mend prove` must say of the same files what the campaign counted; a campaign is good only if it does."""
    assert summary(RESULT | result).splitlines()[-1] == said
    assert good(RESULT | result) == (not result)


LATE = "import sys, time; time.sleep(0.5); open(sys.argv[1], 'w').write(sys.argv[2]); time.sleep(1)"


@pytest.mark.waits
@pytest.mark.parametrize(("words", "told"), [(f"{KILLED_AT}files_staged\n", True), ("done\n", False)])
def test_a_recovery_begins_when_the_log_tells_of_the_death(tmp_path: Path, words: str, told: bool) -> None:
    """Not when some process of the run ends, nor when `mend` does: it goes on for a while after its job is dead."""
    log, began = tmp_path / "spark.log", time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", LATE, str(log), words])
    at = Run(process, "MARK", log).killed_itself()
    assert (at is not None) == told
    if at is not None:
        assert 0.5 <= at - began < time.monotonic() - began - 0.5


def test_percentiles_of_few_values() -> None:
    """One value is its own percentile, none has none."""
    assert [percentile(values, 95) for values in ([], [3.0], [1.0, 2.0, 3.0])] == [None, 3.0, 2.9]
