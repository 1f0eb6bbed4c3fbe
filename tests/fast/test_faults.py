"""Killed at every line that matters: nothing is lost, nothing is twice, and no reader sees half a run."""

from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from bench.chaos.count import count
from bench.chaos.reader import Reader
from mend.runtime.faults import POINTS
from tests.fast.crashes import World, crashing, drive, processes_with

KILLED = -9


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Return cheap processes to kill."""
    return processes_with("mend.quality.audit", "great_expectations", "scipy.stats", "duckdb", "pyspark")


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_loses_nothing(tmp_path: Path, processes: ForkServerContext, point: str) -> None:
    world = World(home=tmp_path)
    with Reader(world.settings.published, key=("id", "event_ts"), pause=0.005) as reader:
        assert crashing(world, point, drive, processes) == KILLED
        assert crashing(world, "", drive, processes) == 0
    assert count(world.home, world.settings.published, world.sent).whole
    assert not reader.anomalies
