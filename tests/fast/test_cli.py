"""The command line: names, exit codes, and one line for what a person must correct."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from cli.gather import masked
from cli.main import cli
from mend.runtime.errors import UserError
from mend.store.engine import open_store
from mend.store.tables import RunState

ROOT = Path(__file__).parents[2]
Mend = Callable[..., Any]


@pytest.fixture
def mend(tmp_path: Path) -> Mend:
    """Return a function that runs `mend` in this process, in a home of its own."""

    def run(*arguments: str, **variables: str) -> Any:
        told = {
            "MEND_HOME": str(tmp_path / "home"), "MEND_PIPELINES": str(ROOT / "pipelines"), "DATABASE_URL": "",
            "KAFKA_BROKER": "127.0.0.1:1",
        }  # fmt: skip
        return CliRunner().invoke(cli, list(arguments), env=told | variables)

    return run


def refusal(result: Any) -> UserError:
    """Return the error that a command ended with."""
    assert isinstance(result.exception, UserError)
    assert "\n" not in str(result.exception)
    return result.exception


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("step", "agent_decid"), "no step 'agent_decid'. Did you mean 'agent_decide'?"),
        (("step", "monitor_kafka", "--pipeline", "custmers"), "Did you mean 'customers'?"),
        (("status", "--pipeline", "custmers"), "Did you mean 'customers'?"),
        (("step", "agent_decide", "--run-id", "run-7"), "no run 'run-7' (last ones: none)."),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(mend: Mend, arguments: tuple[str, ...], line: str) -> None:
    """Exit code 2, and what was probably meant."""
    error = refusal(mend(*arguments))
    assert line in str(error)
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"SINK_MODE": "PARKET"}, "SINK_MODE='PARKET' is not usable"),
        ({"PROCESSING_DURATION_MINUTES": "0"}, "PROCESSING_DURATION_MINUTES='0' is not usable"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL begins with 'mysql'"),
        ({"MEND_HOME": "/proc/nobody/may"}, "cannot be made"),
        ({"MEND_HOME": "/dev/null/home"}, "Set MEND_HOME or DATABASE_URL to a place where this user may write."),
    ],
)
def test_a_wrong_environment_is_one_line(mend: Mend, variables: dict[str, str], line: str) -> None:
    """A value that cannot be used names its variable and says what to do; nothing is written."""
    error = refusal(mend("step", "cleanup_old_data", **variables))
    assert line in str(error)
    assert error.exit_code == 2


def test_a_home_that_refuses_is_one_line(mend: Mend, tmp_path: Path) -> None:
    """A file in the place of a folder below MEND_HOME is said so, and the step says nothing else."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "ops").touch()
    error = refusal(mend("step", "monitor_kafka", KAFKA_BROKER="nonsense"))
    assert "cannot write" in str(error)
    assert error.exit_code == 1


def test_a_step_without_a_run_has_nothing_to_do(mend: Mend) -> None:
    """Steps of a run end with exit code 0 when no run waits, and say so as JSON."""
    for step in ("run_data_quality", "agent_decide", "validate_load", "cleanup_old_data"):
        result = mend("step", step, "--json")
        assert result.exit_code == 0
        assert orjson.loads(result.stdout)["outcome"] == ("done" if step == "cleanup_old_data" else "nothing_to_do")


def test_a_pipeline_at_work_can_be_watched_and_not_touched(mend: Mend, tmp_path: Path) -> None:
    """While another process works on the pipeline, steps that change something are refused with exit code 3."""
    lock = tmp_path / "home" / "locks" / "customers.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("wb") as owned:
        fcntl.flock(owned, fcntl.LOCK_EX)
        assert refusal(mend("step", "agent_decide")).exit_code == 3
        assert mend("step", "monitor_kafka", KAFKA_BROKER="nonsense").exit_code == 1
        assert mend("status", "--json").exit_code == 0
    assert mend("step", "agent_decide").exit_code == 0


def test_a_failed_step_has_exit_code_1(mend: Mend) -> None:
    """What failed is in the JSON, too."""
    result = mend("step", "monitor_kafka", "--json", KAFKA_BROKER="nonsense")
    assert result.exit_code == 1
    document = orjson.loads(result.stdout)
    assert (document["outcome"], document["facts"]["status"]) == ("failed", "unhealthy")


def test_a_run_of_another_pipeline_is_refused(mend: Mend, tmp_path: Path) -> None:
    """The rules of one pipeline never judge the rows of another."""
    with open_store(f"sqlite:///{tmp_path / 'home' / 'mend.db'}") as store:
        store.runs.open_run("orders-1", "orders", "q", 1, datetime.now(UTC))
        store.runs.advance("orders-1", RunState.STAGED, datetime.now(UTC))
    error = refusal(mend("step", "run_data_quality", "--run-id", "orders-1"))
    assert "is a run of the pipeline 'orders'. Add: --pipeline orders" in str(error)


def test_status_shows_the_last_runs(mend: Mend, tmp_path: Path) -> None:
    """As JSON, newest first, at most as many as asked for, of one pipeline or of all."""
    assert orjson.loads(mend("status", "--json").stdout) == []
    with open_store(f"sqlite:///{tmp_path / 'home' / 'mend.db'}") as store:
        for number, pipeline in enumerate(("orders", "customers", "customers")):
            store.runs.open_run(
                f"{pipeline}-{number}", pipeline, "q", number, datetime(2024, 1, 1 + number, tzinfo=UTC)
            )
    lines = orjson.loads(mend("status", "-n", "2", "--json").stdout)
    assert [(line["run_id"], line["state"]) for line in lines] == [("customers-2", "opened"), ("customers-1", "opened")]
    assert len(orjson.loads(mend("status", "--pipeline", "customers", "--json").stdout)) == 2


def test_status_only_looks(mend: Mend, tmp_path: Path) -> None:
    """Where there is no store yet there are no runs, and none is made."""
    assert orjson.loads(mend("status", "--json").stdout) == []
    assert "No runs yet" in mend("status").stdout
    assert not (tmp_path / "home").exists()


def test_a_report_needs_a_finished_run(mend: Mend) -> None:
    """One line says that there is none, and how to make one."""
    error = refusal(mend("report"))
    assert str(error) == "no run of customers is finished yet. Start one: mend run"


def test_ctrl_c_is_said(tmp_path: Path) -> None:
    """One line on stderr, exit code 130, no stack trace."""
    program = "def setup(): raise KeyboardInterrupt\nimport cli.main as m\n"
    program += "of_setup = next(one for one in m.cli.registered_commands if one.callback.__name__ == 'setup')\n"
    program += "of_setup.callback = setup\n"
    program += "m.app()"
    done = subprocess.run(
        [sys.executable, "-c", program, "setup"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "interrupted; what was begun is picked up by the next run\n")


def test_the_demo_spares_a_folder_that_is_not_its_own(mend: Mend, tmp_path: Path) -> None:
    """Nothing is removed from a folder that no demo made."""
    (tmp_path / "letters").touch()
    error = refusal(mend("demo", "--folder", str(tmp_path)))
    assert "is not empty and no demo made it" in str(error)
    assert (tmp_path / "letters").exists()


def test_errors_are_one_line_on_stderr(tmp_path: Path) -> None:
    """The program itself: the line on stderr, nothing on stdout, no stack trace, and the exit code."""
    done = subprocess.run(
        [sys.executable, "-c", "from cli.main import app; app()", "step", "monitor"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no step 'monitor'. Did you mean 'monitor_kafka'?\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "no value"),
        (b"\xff\xfe", "2 bytes"),
        (b"[1]", "3 bytes"),
        (b'{"plan":"free","email":"a@b.c"}', '{"plan":"free","email":"•••"}'),
        (b'{"plan":"free","mail":"a@b.c","more":{"name":"Ada"}}', '{"plan":"free","mail":"•••","more":"•••"}'),
        (b'{"plan":' + b'{"a":' * 300 + b"1" + b"}" * 301, "1810 bytes"),
    ],
)
def test_samples_show_public_fields_only(value: bytes | None, shown: str) -> None:
    """Personal data are masked, fields that nobody declared too, and what cannot be shown is a number of bytes."""
    assert masked(value, {"plan", "country"}) == shown
