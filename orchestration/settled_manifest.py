"""The settled manifest of a run: written from the files as they lie, read again by retention and the recount."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from mend.contracts.codec import dumps, loads
from mend.contracts.settled import Place, SettledFile, SettledManifest, SettledRange
from mend.runtime.files import write_atomic
from mend.runtime.layout import Layout
from mend.store.ledger import LedgerRange

HELD = "reason=held"
PLACES: tuple[Place, ...] = ("published", "held", "rejected", "dead_letter", "duplicate")


def begun(
    run_id: str, pipeline: str, ranges: tuple[LedgerRange, ...], *, settled_at: str, sparse: bool
) -> SettledManifest:
    """Return the manifest of a run that names no file yet."""
    return SettledManifest(
        run_id=run_id,
        pipeline=pipeline,
        settled_at=settled_at,
        sparse=sparse,
        ranges=tuple(
            SettledRange(
                topic=part.read.topic,
                partition=part.read.partition,
                from_offset=part.read.from_offset,
                until_offset=part.read.until_offset,
                records=part.read.records,
            )
            for part in ranges
        ),
    )


def vouch(layout: Layout, manifest: SettledManifest, accepted: Path | None) -> None:
    """Name every file of the run; `accepted` holds the rows that are about to be published, if there are any."""
    files = (*set_aside(layout, manifest.run_id), *published_files(layout, manifest.run_id, accepted))
    write(layout, replace(manifest, files=files))


def write(layout: Layout, manifest: SettledManifest) -> None:
    """Replace the manifest in one step; durable on return."""
    write_atomic(layout.run_file(manifest.run_id, "manifest"), dumps(manifest))


def read(layout: Layout, run_id: str) -> SettledManifest:
    """Read the manifest; ContractError or OSError when there is none that can be read."""
    return loads(SettledManifest, layout.run_file(run_id, "manifest").read_bytes())


def folders(layout: Layout, run_id: str, place: Place) -> tuple[Path, ...]:
    """Return the folders of one place, whether they exist or not."""
    quarantine = layout.quarantine(run_id)
    if place == "rejected":
        return tuple(one for one in sorted(quarantine.glob("reason=*")) if one.name != HELD)
    return ({
        "published": layout.published(run_id),
        "held": quarantine / HELD,
        "dead_letter": layout.dead_letters(run_id),
        "duplicate": layout.duplicates(run_id),
    }[place],)  # fmt: skip


def set_aside(layout: Layout, run_id: str) -> Iterator[SettledFile]:
    """Return the files of every place but the readable one."""
    home = layout.settings.home
    for place in PLACES[1:]:
        for folder in folders(layout, run_id, place):
            for path in sorted(folder.rglob("*.parquet")):
                yield settled_file(place, path, path.relative_to(home))


def published_files(layout: Layout, run_id: str, accepted: Path | None) -> Iterator[SettledFile]:
    """Return the readable files under the names that they have, or will have in a moment."""
    target = layout.published(run_id)
    source = target if target.exists() else accepted
    if source is not None:
        for path in sorted(source.rglob("*.parquet")):
            yield settled_file("published", path, Path(target.name) / path.relative_to(source))


def settled_file(place: Place, path: Path, name: Path) -> SettledFile:
    """Describe a file by its footer and size."""
    return SettledFile(
        place=place, path=name.as_posix(), rows=pq.read_metadata(path).num_rows, bytes=path.stat().st_size
    )
