"""The ledger: which offsets each run took, and where their events went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, func, not_, select, true, update

from mend.contracts.report import PartitionRange, Places
from mend.runtime.errors import UserError
from mend.store.database import Database
from mend.store.losses import Loss, uncovered
from mend.store.sums import PLACES, Discrepancy, Kind, check_sums, of_range
from mend.store.tables import RunState, losses, replacements, run_ranges, runs

__all__ = ["Discrepancy", "Ledger", "LedgerRange", "Partition", "check_sums"]

UNSETTLED = (RunState.OPENED, RunState.STAGED, RunState.AUDITED, RunState.DECIDED)
Partition = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRange:
    """A range as it was read, and how many of its accepted events were published and held (None: not yet)."""

    run_id: str
    read: PartitionRange
    published: int | None
    held: int | None


class Ledger:
    """The offset ranges of all runs; a run has one range of a partition."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def record_ranges(self, run_id: str, ranges: Sequence[PartitionRange]) -> None:
        """Write the ranges of a run; those it had before are replaced (a replayed batch)."""
        with self.database.transaction() as connection:
            _refuse_unknown(connection, run_id)
            connection.execute(delete(run_ranges).where(run_ranges.c.run_id == run_id))
            if ranges:
                connection.execute(run_ranges.insert(), [_row(run_id, part) for part in ranges])

    def ranges(self, run_id: str) -> tuple[LedgerRange, ...]:
        """Return the run's ranges in the order of topic and partition."""
        wanted = select(run_ranges).where(run_ranges.c.run_id == run_id)
        with self.database.reading() as connection:
            rows = connection.execute(wanted.order_by(run_ranges.c.topic, run_ranges.c.partition)).mappings()
            return tuple(_range(row) for row in rows)

    def every_range(self, pipeline: str | None = None) -> tuple[LedgerRange, ...]:
        """Return the ranges of all runs, of one pipeline or of all."""
        wanted = select(run_ranges).join(runs, runs.c.run_id == run_ranges.c.run_id)
        chosen = wanted.where(runs.c.pipeline == pipeline if pipeline else true())
        with self.database.reading() as connection:
            return tuple(_range(row) for row in connection.execute(chosen).mappings())

    def overlaps(self, run_id: str) -> tuple[Discrepancy, ...]:
        """Return the run's ranges that share offsets with another run of its pipeline, whichever began first.

        `expected` is where the other's range ends, `came` where the run's begins.
        """
        with self.database.reading() as connection:
            return tuple(
                of_range("overlap", run_id, _range(row).read, expected=row["other_end"], came=row["from_offset"])
                for row in connection.execute(_overlapping(run_id)).mappings()
            )

    def settle(
        self, run_id: str, published: Mapping[Partition, int], held: Mapping[Partition, int]
    ) -> tuple[Discrepancy, ...]:
        """Write how many events of each partition were published and held, as counted where they lie now.

        A partition that is not named has none. Returns the ranges where both do not add up to the accepted events.
        """
        with self.database.transaction() as connection:
            known = {(part.read.topic, part.read.partition) for part in self.ranges(run_id)}
            strange = sorted((published.keys() | held.keys()) - known)
            if strange:
                raise UserError(
                    f"{run_id}: read nothing from {strange[0]}, so nothing of it can be settled.", exit_code=1
                )
            for topic, partition in known:
                counts = {"published": published.get((topic, partition), 0), "held": held.get((topic, partition), 0)}
                connection.execute(_at(run_id, topic, partition).values(counts))
            return tuple(found for part in self.ranges(run_id) if (found := unsettled(part)))

    def gaps(self, pipeline: str) -> tuple[Discrepancy, ...]:
        """Return every range of the pipeline that does not begin where the ones before it in its partition ended.

        `expected` is that end, `came` where the range begins: a smaller one overlaps, a larger one leaves a gap. A gap
        that recorded losses cover is none; runs that another replaced, and those that are about to, do not count.
        """
        with self.database.reading() as connection:
            lost = tuple(Loss(**row) for row in connection.execute(_losses(pipeline)).mappings())
            found = connection.execute(_out_of_line(pipeline)).mappings()
            return tuple(_misplaced(row) for row in found if not _explained(row, lost))

    def ends(self, pipeline: str, topic: str, epoch: int = 0) -> dict[int, int]:
        """Return the offset up to which each partition was read in the topic's epoch, the accepted losses included."""
        read = _live(select(run_ranges.c.partition, func.max(run_ranges.c.until_offset)), pipeline)
        lost = select(losses.c.partition, func.max(losses.c.until_offset)).where(losses.c.pipeline == pipeline)
        queries = (
            read.where(run_ranges.c.topic == topic, runs.c.epoch == epoch).group_by(run_ranges.c.partition),
            lost.where(losses.c.topic == topic, losses.c.epoch == epoch).group_by(losses.c.partition),
        )
        ends: dict[int, int] = {}
        with self.database.reading() as connection:
            for query in queries:
                for partition, end in connection.execute(query):
                    ends[partition] = max(end, ends.get(partition, 0))
        return ends

    def live_ranges(self, pipeline: str, topic: str, epoch: int = 0) -> tuple[LedgerRange, ...]:
        """Return the ranges of the runs that count, by partition and offset."""
        wanted = _live(select(run_ranges), pipeline).where(run_ranges.c.topic == topic, runs.c.epoch == epoch)
        with self.database.reading() as connection:
            rows = connection.execute(wanted.order_by(run_ranges.c.partition, run_ranges.c.from_offset)).mappings()
            return tuple(_range(row) for row in rows)


def unsettled(part: LedgerRange) -> Discrepancy | None:
    """Return the discrepancy of a range whose published and held events are not the accepted ones."""
    came = (part.published or 0) + (part.held or 0)
    accepted = part.read.places.accepted
    return None if came == accepted else of_range("settled", part.run_id, part.read, expected=accepted, came=came)


def _refuse_unknown(connection: Connection, run_id: str) -> None:
    if connection.scalar(select(runs.c.run_id).where(runs.c.run_id == run_id)) is None:
        raise UserError(f"{run_id}: no such run in the store: open it before its ranges are recorded.")


def _row(run_id: str, part: PartitionRange) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "topic": part.topic,
        "partition": part.partition,
        "from_offset": part.from_offset,
        "until_offset": part.until_offset,
        "records": part.records,
        **{place: getattr(part.places, place) for place in PLACES},
    }


def _range(row: Any) -> LedgerRange:
    read = PartitionRange(
        topic=row["topic"],
        partition=row["partition"],
        from_offset=row["from_offset"],
        until_offset=row["until_offset"],
        records=row["records"],
        places=Places(**{place: row[place] for place in PLACES}),
    )
    return LedgerRange(run_id=row["run_id"], read=read, published=row["published"], held=row["held"])


def _at(run_id: str, topic: str, partition: int) -> Any:
    part = run_ranges.c
    return update(run_ranges).where(part.run_id == run_id, part.topic == topic, part.partition == partition)


def _overlapping(run_id: str) -> Any:
    """Select the run's ranges beside the ranges of other runs that share offsets with them."""
    mine, other, run, its = run_ranges.alias(), run_ranges.alias(), runs.alias(), runs.alias()
    same = and_(mine.c.topic == other.c.topic, mine.c.partition == other.c.partition)
    shared = and_(mine.c.from_offset < other.c.until_offset, other.c.from_offset < mine.c.until_offset)
    not_empty = and_(mine.c.from_offset < mine.c.until_offset, other.c.from_offset < other.c.until_offset)
    return (
        select(mine, other.c.until_offset.label("other_end"))
        .join(other, and_(same, shared, not_empty, other.c.run_id != mine.c.run_id))
        .join(run, run.c.run_id == mine.c.run_id)
        .join(its, and_(its.c.run_id == other.c.run_id, its.c.pipeline == run.c.pipeline, its.c.epoch == run.c.epoch))
        .where(mine.c.run_id == run_id, its.c.state != RunState.REPLACED, its.c.run_id.not_in(_replaced_by(run_id)))
        .order_by(mine.c.topic, mine.c.partition, other.c.from_offset)
    )


def _replaced_by(run_id: str) -> Any:
    """Select the runs whose place a run takes."""
    return select(replacements.c.replaced).where(replacements.c.run_id == run_id)


def _out_of_line(pipeline: str) -> Any:
    """Select the ranges that do not begin at the largest end before them (an earlier long range may cover several)."""
    part = run_ranges.c
    end = func.max(part.until_offset).over(
        partition_by=(part.topic, runs.c.epoch, part.partition),
        order_by=(part.from_offset, part.until_offset),
        rows=(None, -1),
    )
    lined = _live(select(run_ranges, runs.c.epoch, end.label("end")), pipeline).subquery()
    ordered = (lined.c.topic, lined.c.epoch, lined.c.partition, lined.c.from_offset)
    return select(lined).where(lined.c.end.is_not(None), lined.c.end != lined.c.from_offset).order_by(*ordered)


def _misplaced(row: Any) -> Discrepancy:
    kind: Kind = "overlap" if row["from_offset"] < row["end"] else "gap"
    return of_range(kind, row["run_id"], _range(row).read, expected=row["end"], came=row["from_offset"])


def _live(wanted: Select[Any], pipeline: str) -> Select[Any]:
    """Keep the ranges of runs that nobody replaced and that wait for no decision on whether they replace others."""
    takers = select(replacements.c.run_id)
    waiting = and_(runs.c.state.in_(UNSETTLED), runs.c.run_id.in_(takers))
    counts = (runs.c.pipeline == pipeline, runs.c.state != RunState.REPLACED, not_(waiting))
    return wanted.join(runs, runs.c.run_id == run_ranges.c.run_id).where(*counts)


def _losses(pipeline: str) -> Select[Any]:
    return select(losses).where(losses.c.pipeline == pipeline)


def _explained(row: Any, lost: tuple[Loss, ...]) -> bool:
    """Whether the gap before a range holds nothing but accepted losses."""
    place = (row["topic"], row["epoch"], row["partition"])
    here = [one for one in lost if (one.topic, one.epoch, one.partition) == place]
    return row["from_offset"] > row["end"] and not uncovered(row["end"], row["from_offset"], here)
