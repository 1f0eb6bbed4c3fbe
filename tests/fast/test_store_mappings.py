"""The versions of mappings."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mend.contracts.mapping import MappedField, Mapping
from mend.store.engine import Store, open_store
from mend.store.mappings import MappingConflict

AT = datetime(2024, 1, 15, 10, 0, tzinfo=UTC)
ID = MappedField(name="id", source="order_id", type="VARCHAR", nullable=False)
NOTE = MappedField(name="note", source="note", type="VARCHAR", added=True)


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """Say where a new store can be made."""
    return f"sqlite:///{tmp_path / 'mend.db'}"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """Open a new store."""
    with open_store(store_url) as opened:
        yield opened


def test_versions_count_up_for_each_pipeline(store: Store) -> None:
    """The first is 1, the newest is the current one, and earlier ones stay as they were."""
    assert store.mappings.current("orders") is None
    assert store.mappings.append("orders", (ID,), AT, created_by="rules", decision_run="run-1") == 1
    assert store.mappings.append("orders", (ID, NOTE), AT, created_by="ann", base=1) == 2
    assert store.mappings.append("customers", (), AT, created_by="ann", base=0) == 1
    second = Mapping(
        pipeline="orders", version=2, fields=(ID, NOTE), created_at="2024-01-15T10:00:00+00:00", created_by="ann"
    )
    assert store.mappings.current("orders") == second
    first = store.mappings.get("orders", 1)
    assert first is not None
    assert (first.fields, first.decision_run) == ((ID,), "run-1")
    assert store.mappings.get("orders", 3) is None


def test_a_change_made_on_an_older_version_is_refused(store: Store) -> None:
    """Two people who start from the same version do not undo each other's change."""
    store.mappings.append("orders", (ID,), AT, created_by="ann", base=0)
    with pytest.raises(MappingConflict, match="orders: mapping version 1 is the newest, expected 0") as refused:
        store.mappings.append("orders", (NOTE,), AT, created_by="bob", base=0)
    assert refused.value.exit_code == 3
    with pytest.raises(MappingConflict):
        store.mappings.append("orders", (NOTE,), AT, created_by="bob", base=2)
    assert store.mappings.get("orders", 2) is None


def test_two_writers_at_once_give_two_versions_or_one_conflict(store: Store, store_url: str) -> None:
    """Nobody's version is overwritten."""
    gate = threading.Barrier(2, timeout=20)

    def appending(name: str) -> int | None:
        with open_store(store_url) as mine:
            gate.wait()
            try:
                return mine.mappings.append("orders", (ID,), AT, created_by=name)
            except MappingConflict:
                return None

    with ThreadPoolExecutor(2) as pool:
        versions = dict(zip(["ann", "bob"], pool.map(appending, ["ann", "bob"]), strict=True))
    written = {version: name for name, version in versions.items() if version}
    assert sorted(written) in ([1], [1, 2])
    for version, name in written.items():
        stored = store.mappings.get("orders", version)
        assert stored is not None
        assert stored.created_by == name
