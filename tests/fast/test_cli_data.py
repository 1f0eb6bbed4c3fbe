"""`mend prove`, `mend status` and `mend reset-data` as a person meets them."""

import fcntl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.main import cli
from cli.proof_view import shown
from mend.proof.facts import Finding
from mend.proof.prove import Proof, Proven
from mend.runtime.errors import UserError
from mend.store.engine import open_store
from mend.store.proofs import Verified
from orchestration.prove import Certificate

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PART = Proven(
    pipeline="customers", topic="customers", partition=3, from_offset=0, verified_through=1_203_000,
    until_offset=1_203_000, counts={"published": 1_180_000, "rejected": 20_000, "duplicate": 2_990}, retired=0, lost=10,
    waiting=120,
)  # fmt: skip
PROOF = Proof(runs=3, offsets=1_202_990, partitions=(PART,), findings=(), not_settled=())
HOLE = Finding(
    kind="hole", text="it is in no place", run_id="run-7", pipeline="customers", topic="customers", partition=3,
    offset=17, until=20,
)  # fmt: skip
Mend = Callable[..., Any]


@pytest.fixture
def mend(tmp_path: Path) -> Mend:
    """Return a function that runs `mend` in this process, in a home of its own."""

    def run(*arguments: str, said: str = "", **variables: str) -> Any:
        told = {
            "MEND_HOME": str(tmp_path / "home"), "MEND_PIPELINES": str(ROOT / "pipelines"), "DATABASE_URL": "",
            "KAFKA_BROKER": "127.0.0.1:1",
        }  # fmt: skip
        return CliRunner().invoke(cli, list(arguments), env=told | variables, input=said)

    return run


def drawn(certificate: Certificate) -> str:
    """Return what a terminal of 80 columns shows."""
    out = StringIO()
    Console(file=out, width=80).print(shown(certificate))
    return out.getvalue()


def test_a_certificate_is_a_table_of_the_partitions() -> None:
    """From, verified, until and the counts of each place that has any; it fits 80 columns."""
    text = drawn(Certificate(checked_at=NOW, proof=PROOF, notes=("no broker",)))
    assert "✓ every offset read is in exactly one place" in text
    assert "3 runs, 1,202,990 events" in text
    line = next(line for line in text.splitlines() if "customers/3" in line)
    assert line.strip("│ ").split() == [
        "customers/3", "0", "1203000", "1203000", "1,180,000", "20,000", "2,990", "10", "120",
    ]  # fmt: skip
    assert "note: no broker" in text
    assert max(map(len, text.splitlines())) == 80


def test_findings_are_told_one_by_one() -> None:
    """What, where, which run; of many the first ten, and how to see the others."""
    part = replace(PART, verified_through=0)
    proof = replace(PROOF, partitions=(part,), findings=(HOLE,) * 12, not_settled=(("run-8", "staged"),))
    text = drawn(Certificate(checked_at=NOW, proof=proof, notes=()))
    assert "12 findings" in text
    assert text.count("hole: customers/3 offset 17 (3 in a row): run-7: it is in no place") == 10
    assert "and 2 more: mend prove --json" in text
    assert "not settled yet: run-8 (staged)" in text


def test_an_empty_home_is_certified(mend: Mend) -> None:
    """Nothing was read, so nothing is missing."""
    result = mend("prove", "--json")
    assert result.exit_code == 0
    assert (orjson.loads(result.stdout)["holds"], orjson.loads(result.stdout)["partitions"]) == (True, [])
    assert mend("prove").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("prove", "--run", "run-7"), "no run 'run-7' (last ones: none)."),
        (("prove", "--since", "a week"), "Write it like 7d, 12h or 30min."),
        (("prove", "--pipeline", "custmers"), "Did you mean 'customers'?"),
        (("step", "monitor_kafka", "--dry-run"), "only cleanup_old_data has it"),
    ],
)
def test_wrong_use_is_one_line(mend: Mend, arguments: tuple[str, ...], line: str) -> None:
    """Exit code 2, and what to write."""
    error = mend(*arguments).exception
    assert isinstance(error, UserError)
    assert line in str(error)
    assert error.exit_code == 2


def test_the_status_says_how_far_the_proof_goes(mend: Mend, tmp_path: Path) -> None:
    """Below the runs, a line for each partition."""
    with open_store(f"sqlite:///{tmp_path / 'home' / 'mend.db'}") as store:
        store.runs.open_run("customers-1", "customers", "q", 1, NOW)
        assert "Nothing proven yet" in mend("status").stdout
        kept = Verified(
            pipeline="customers", topic="customers", partition=2, from_offset=5, verified_through=905, verified_at=NOW
        )
        store.proofs.record([kept])
        store.proofs.record([kept])
        assert store.proofs.all() == (kept,)
    line = next(line for line in mend("status").stdout.splitlines() if line.startswith("customers/2"))
    assert line.split()[1:3] == ["5", "905"]


def test_a_dry_run_of_the_cleanup_is_told_as_json(mend: Mend) -> None:
    """What goes and what stays, for scripts."""
    result = mend("step", "cleanup_old_data", "--dry-run", "--json")
    assert orjson.loads(result.stdout)["facts"] == {"dry_run": True, "goes": [], "stays": []}


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """Make a home with data, and something that is not Mend's."""
    home = tmp_path / "home"
    for name in ("out/parquet/run=1", "quarantine/run=1", "ops", "checkpoints/spark", "mine", "locks"):
        (home / name).mkdir(parents=True)
    (home / "mend.db").touch()
    (tmp_path / "elsewhere" / "run=1").mkdir(parents=True)
    (tmp_path / "elsewhere" / "theirs").mkdir()
    return home


def names(folder: Path) -> set[str]:
    """Return what is in a folder."""
    return {path.name for path in folder.iterdir()}


def test_data_are_destroyed_after_a_yes(mend: Mend, used: Path) -> None:
    """It asks; a no, or no answer, changes nothing, and what is not Mend's stays in any case."""
    before = names(used)
    for answer in ("n\n", ""):
        assert mend("reset-data", said=answer).exit_code == 1
        assert names(used) == before
    assert mend("reset-data", said="y\n").exit_code == 0
    assert names(used) == {"mine", "locks"}
    assert "nothing to destroy" in mend("reset-data").stdout


def test_yes_skips_the_question(mend: Mend, used: Path, tmp_path: Path) -> None:
    """For scripts; in a PARQUET_OUT elsewhere only runs are removed."""
    assert mend("reset-data", "--yes", PARQUET_OUT=str(tmp_path / "elsewhere")).exit_code == 0
    assert names(used) == {"mine", "locks"}
    assert names(tmp_path / "elsewhere") == {"theirs"}


def test_data_of_a_run_at_work_are_spared(mend: Mend, used: Path, tmp_path: Path) -> None:
    """Refused while a run is at work, another home's job on the checkpoint, or if a store elsewhere would remember."""
    before = names(used)
    with (used / "locks" / "customers.lock").open("wb") as owned:
        fcntl.flock(owned, fcntl.LOCK_EX)
        assert mend("reset-data", "--yes").exception.exit_code == 3
    assert mend("reset-data", "--yes", DATABASE_URL="sqlite:////tmp/x.db").exception.exit_code == 3
    shared = tmp_path / "checkpoints" / "parquet" / "customers.lock"
    shared.parent.mkdir(parents=True)
    with shared.open("wb") as owned:
        fcntl.flock(owned, fcntl.LOCK_EX)
        assert mend("reset-data", "--yes", SPARK_CHECKPOINT_LOCATION=str(shared.parents[1])).exception.exit_code == 3
    assert shared.exists()
    assert names(used) == before
