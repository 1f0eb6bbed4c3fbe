"""Read the evidence: manifests, reports, the files that are there, and the offsets in them. Read-only."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mend.proof.facts import PLACES, File, Partition, Run, Span, Statement, Take

PREFIXES = ("kafka_", "")
"""Published rows and kept records name their position differently."""
MALFORMED = (OSError, ValueError, KeyError, TypeError, AttributeError)


class Unreadable(Exception):  # noqa: N818 - it names what happened
    """A file is not what it should be."""


def manifests(home: Path) -> dict[str, Path]:
    """Return the manifest of every run, by the run's id."""
    return {path.parent.name: path for path in sorted((home / "ops" / "runs").glob("*/manifest.json"))}


def read_manifest(path: Path, home: Path, published: Path) -> Run:
    """Read a manifest; anything wrong with it raises Unreadable."""
    try:
        document = json.loads(path.read_bytes())
        run_id = document["run_id"]
        if run_id != path.parent.name:
            raise Unreadable(f"it is the manifest of {run_id}")
        retired: dict[Partition, Counter[str]] = defaultdict(Counter)
        for one in document.get("retired", []):
            retired[str(one["topic"]), int(one["partition"])][one["place"]] += int(one["rows"])
        return Run(
            run_id=run_id,
            pipeline=str(document["pipeline"]),
            settled_at=str(document["settled_at"]),
            spans=tuple(span(run_id, one) for one in document["ranges"]),
            files=tuple(
                File(
                    place=PLACES[PLACES.index(one["place"])],
                    path=(published if one["place"] == "published" else home) / one["path"],
                    rows=int(one["rows"]),
                    size=int(one["bytes"]),
                )
                for one in document["files"]
            ),
            replaces=tuple(document.get("replaces", [])),
            retired=retired,
            sparse=bool(document.get("sparse", False)),
            takes=tuple(take(one) for one in document.get("takes", [])),
        )
    except MALFORMED as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from error


def span(run_id: str, one: dict[str, Any]) -> Span:
    """Read a range."""
    where = (str(one["topic"]), int(one["partition"]))
    return Span(run_id, where, int(one["from_offset"]), int(one["until_offset"]), int(one["records"]))


def take(one: dict[str, Any]) -> Take:
    """Read what a replay took."""
    return Take(
        run_id=str(one["run_id"]),
        place=PLACES[PLACES.index(one["place"])],
        where=(str(one["topic"]), int(one["partition"])),
        into=PLACES[PLACES.index(one["into"])],
        rows=int(one["rows"]),
    )


def report_says(path: Path) -> list[Statement]:
    """Return what a run's report says of each partition, nothing if there is none; a broken one raises Unreadable."""
    try:
        if not path.exists():
            return []
        document = json.loads(path.read_bytes())
        return [
            Statement(
                source="report",
                where=(str(one["topic"]), int(one["partition"])),
                start=int(one["from_offset"]),
                end=int(one["until_offset"]),
                records=int(one["records"]),
                places={place: int(rows) for place, rows in one["places"].items()},
            )
            for one in document["partitions"]
        ]
    except MALFORMED as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from error


def present(home: Path, published: Path) -> list[Path]:
    """Return every Parquet file where a place is."""
    folders = (published, home / "quarantine", home / "dead_letters", home / "duplicates")
    return [path for folder in folders for path in sorted(folder.rglob("*.parquet"))]


def read_offsets(path: Path) -> Iterator[tuple[Partition, np.ndarray[Any, np.dtype[np.int64]]]]:
    """Yield the offsets of a file, row group by row group; only the three columns of the position are read."""
    try:
        with pq.ParquetFile(path) as file:
            prefix = next((one for one in PREFIXES if f"{one}offset" in file.schema_arrow.names), None)
            if prefix is None:
                raise Unreadable("it has no column of offsets")
            names = [f"{prefix}{one}" for one in ("topic", "partition", "offset")]
            for group in range(file.num_row_groups):
                yield from positions(file.read_row_group(group, columns=names, use_threads=False), names)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException, KeyError) as error:
        raise Unreadable(" ".join(str(error).split())[:200]) from error


def positions(table: pa.Table, names: list[str]) -> Iterator[tuple[Partition, np.ndarray[Any, np.dtype[np.int64]]]]:
    """Split the rows of a row group by topic and partition."""
    topic, partition, offset = (table[name].combine_chunks() for name in names)
    if topic.null_count or partition.null_count or offset.null_count:
        raise Unreadable("a row has no position")
    partitions, offsets = partition.to_numpy(), offset.to_numpy().astype(np.int64, copy=False)
    topics = topic.dictionary_encode()
    codes = topics.indices.to_numpy()
    for code in distinct(codes):
        for number in distinct(partitions[codes == code]):
            rows = offsets[(codes == code) & (partitions == number)]
            yield (topics.dictionary[int(code)].as_py(), int(number)), rows


def distinct(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the different values; a column of one value, which is the rule, costs one pass."""
    return values[:1] if (values == values[:1]).all() else np.unique(values)
