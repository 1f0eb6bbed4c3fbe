"""Where every event is, counted from the files alone: no ledger, no report and no code of the pipeline is asked."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

Position = tuple[int, int]
"""Partition and offset."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What came of the events that were sent."""

    lost: frozenset[Position]
    doubled: frozenset[Position]
    places: dict[str, int]

    @property
    def whole(self) -> bool:
        """Whether every event is in exactly one place."""
        return not self.lost and not self.doubled


def count(home: Path, published: Path, sent: Iterable[Position]) -> Sum:
    """Compare what was sent with what lies in the files; an event that nobody sent is one too many."""
    places = found(home, published)
    everywhere = sum(places.values(), Counter[Position]())
    wanted = Counter(set(sent))
    return Sum(
        lost=frozenset(wanted - everywhere),
        doubled=frozenset(everywhere - wanted),
        places={name: each.total() for name, each in places.items()},
    )


def found(home: Path, published: Path) -> dict[str, Counter[Position]]:
    """Read the position of every event in every place, each as often as it is there."""
    held = set(home.glob("quarantine/run=*/reason=held/**/*.parquet"))
    return {
        "published": positions(published.rglob("*.parquet")),
        "held": positions(held),
        "rejected": positions(set(home.glob("quarantine/run=*/**/*.parquet")) - held),
        "dead_letter": positions(home.glob("dead_letters/run=*/**/*.parquet")),
        "duplicate": positions(home.glob("duplicates/run=*/**/*.parquet")),
    }


def positions(files: Iterable[Path]) -> Counter[Position]:
    """Read partition and offset of every row."""
    import pyarrow.parquet as pq

    counted: Counter[Position] = Counter()
    for path in files:
        file = pq.ParquetFile(path)
        prefix = "kafka_" if "kafka_offset" in file.schema_arrow.names else ""
        columns = [f"{prefix}partition", f"{prefix}offset"]
        table = file.read(columns=columns)
        counted.update(zip(*(table[name].to_pylist() for name in columns), strict=True))
    return counted
