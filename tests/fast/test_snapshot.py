"""The files that a run started with."""

from pathlib import Path

import pytest

from mend.quality.rules import load_rules
from mend.quality.snapshot import read_snapshot, versions, write_snapshot
from mend.runtime.errors import UserError
from mend.runtime.pipeline_file import load_pipeline

ORDERS = Path(__file__).parent / "data" / "orders" / "orders.yml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a pipeline's files that a test may change."""
    for name in ORDERS.parent.iterdir():
        (tmp_path / name.name).write_bytes(name.read_bytes())
    return tmp_path


def test_a_run_finds_the_bytes_that_were_read(folder: Path) -> None:
    """What changed between reading and keeping, or after it, is not in the copies; they load to the same values."""
    path = folder / ORDERS.name
    pipeline = load_pipeline(path)
    rules = load_rules(pipeline.rules_path, pipeline=pipeline.name)
    for file in (path, pipeline.schema_path, pipeline.rules_path):
        file.write_text("changed")
    write_snapshot(folder / "contract", pipeline, rules)
    found = read_snapshot(folder / "contract")
    assert found is not None
    assert found[1] == rules
    assert (found[0].schema, found[0].derived, found[0].segments) == (
        pipeline.schema,
        pipeline.derived,
        pipeline.segments,
    )
    assert versions(*found) == versions(pipeline, rules)
    assert found[0].schema_version == pipeline.schema_version


def test_a_run_without_copies_has_none(tmp_path: Path) -> None:
    """A run of an older version is judged by today's files; half a copy is refused."""
    assert read_snapshot(tmp_path / "contract") is None
    (tmp_path / "contract" / "pipeline").mkdir(parents=True)
    with pytest.raises(UserError, match="expected one file each in pipeline, schema, rules"):
        read_snapshot(tmp_path / "contract")
