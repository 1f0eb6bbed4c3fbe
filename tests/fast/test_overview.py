"""`mend monitor`: what is looked at, what a screen shows of it, and that q ends it."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.main import cli
from cli.monitor_view import MOST_INCIDENTS, Rates, drawn, rates
from cli.wording import NOT_KNOWN
from mend.contracts.incident import Incident, IncidentStatus, Severity
from mend.incidents.log import incident_log
from mend.runtime.settings import Settings, load_settings
from mend.store.brakes import Circuit
from mend.store.engine import Store, open_store
from orchestration.kafka_lag import PartitionLag
from orchestration.overview import Overview, PipelineState, RunState, Service, overview

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOBODY, NO_ADDRESS = "127.0.0.1:9", "nobody"
INCIDENT = Incident(
    id="12345678-0", incident_type="dq", summary="too many [red]failures", severity=Severity.CRITICAL,
    status=IncidentStatus.OPEN, created_at=AT.isoformat(), updated_at=AT.isoformat(),
)  # fmt: skip
RUN = RunState(
    run_id="customers-1a2b3c4d-000007", pipeline="customers", state="validated", events=20_000, published=19_000,
    events_per_second=12_500.0, decision="remap", updated_at=AT - timedelta(minutes=4),
)  # fmt: skip
SEEN = Overview(
    at=AT,
    pipelines=(
        PipelineState(
            name="customers", topic="customers",
            lags=tuple(PartitionLag(partition=at, earliest=0, end=1_000, committed=900) for at in range(4)),
            circuit=Circuit(id=1, pipeline="customers", cause="c", why="3 failures", opened_at=AT, opened_by="agent"),
        ),
    ),
    runs=(RUN,) * 20,
    incidents=(INCIDENT,) * 9,
    places={"published": 1, "rejected": 70, "held": 7},
    services=(
        Service(name="store", address="mend.db", up=True),
        Service(name="Kafka", address="b:1", up=False, said="refused"),
    ),
)  # fmt: skip


def screen(seen: Overview, *, width: int = 80, height: int = 40, speed: Rates | None = None) -> list[str]:
    """Return what a terminal of that size shows."""
    out = StringIO()
    Console(file=out, width=width).print(drawn(seen, speed, height=height, note="q ends it"))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_one_screen_shows_what_a_person_looks_for() -> None:
    """Lag by partition, rates, runs with decisions, quarantine, incidents, the circuit, who answers and who not."""
    shown = "\n".join(screen(SEEN, speed=Rates(arriving=5.04, read=1_000.0)))
    for words in (
        "400 wait", "77 in quarantine", "5/s in, 1,000/s read", "9 incidents",
        "customers-1a2b3c4d-000007", "validated", "remap", "12,500", "4 min",
        "CIRCUIT IS OPEN", "3 failures", "critical", "too many [red]failures", "mend incident ls",
    ):  # fmt: skip
        assert words in shown, words
    assert [line.split() for line in screen(SEEN) if line.lstrip().startswith("3 ")] == [["3", "100", "900", "1,000"]]
    assert any(line.split() == ["Kafka", "AWAY", "b:1", "refused"] for line in screen(SEEN))
    assert any(line.split() == ["store", "answers", "mend.db"] for line in screen(SEEN))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 30), (120, 50), (40, 20)])
def test_it_fits_the_terminal(width: int, height: int) -> None:
    """Nothing is wider than the terminal; a lower one shows fewer runs, and never less than the three newest."""
    lines = screen(SEEN, width=width, height=height)
    assert max(map(len, lines)) <= width
    runs = sum(line.startswith("custom") for line in lines) - 2
    assert runs >= 3
    assert len(lines) <= max(height, len(lines) - runs + 3)


def test_what_is_not_known_is_not_zero() -> None:
    """While the broker is away nobody knows how much waits."""
    away = PipelineState(name="customers", topic="customers", trouble="no broker", broker_away=True)
    seen = replace(SEEN, pipelines=(away,))
    assert seen.waiting is None
    assert f"{NOT_KNOWN} wait" in screen(seen)[0]


def test_more_incidents_than_fit_are_counted() -> None:
    """The first ones are shown, the number of the others is said."""
    shown = screen(SEEN, height=60)
    assert sum("critical" in line for line in shown) == MOST_INCIDENTS
    assert "and 3 more: mend incident ls" in shown


def test_rates_come_from_two_looks() -> None:
    """Offsets between two looks, by the seconds between them; a partition that came or went gives no rate."""
    lags = tuple(replace(one, end=1_050, committed=1_000) for one in SEEN.pipelines[0].lags)
    later = replace(SEEN, at=AT + timedelta(seconds=2), pipelines=(replace(SEEN.pipelines[0], lags=lags),))
    assert rates(SEEN, later) == Rates(arriving=100.0, read=200.0)
    assert rates(SEEN, replace(later, pipelines=(replace(SEEN.pipelines[0], lags=lags[:3]),))) is None
    assert rates(SEEN, SEEN) is None


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings of a new home with nobody around."""
    return load_settings(
        _env_file=None, mend_home=tmp_path, MEND_PIPELINES=ROOT / "pipelines", kafka_broker=NOBODY, database_url="",
        smtp_server="127.0.0.1", smtp_port=9, spark_master="local[*]", schema_registry_url="", llm_provider="none",
    )  # fmt: skip


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """Open a new store."""
    with open_store(settings.store_url) as opened:
        yield opened


@pytest.mark.waits
def test_everything_is_looked_at_while_nobody_answers(settings: Settings, store: Store) -> None:
    """A broker that is away is asked once for all pipelines; an incident that is over is not shown."""
    store.brakes.open_circuit("customers", "c", "3 failures", AT, by="agent")
    log = incident_log(store, settings.home / "ops")
    for name, severity in (("over", Severity.CRITICAL), ("mild", Severity.LOW), ("grave", Severity.HIGH)):
        log.log_incident(name, f"type_{name}", name, severity, AT)
    log.resolve_incident("over", "done", AT)
    began = time.monotonic()
    seen = overview(settings, store, AT)
    assert time.monotonic() - began < 6
    assert [one.name for one in seen.pipelines] == ["customers", "orders"]
    assert all(one.broker_away and NOBODY in one.trouble for one in seen.pipelines)
    assert [one.circuit is not None for one in seen.pipelines] == [True, False]
    assert [one.summary for one in seen.incidents] == ["grave", "mild"]
    assert [(one.name, one.up) for one in seen.services] == [("store", True), ("Kafka", False), ("mail server", False)]


@pytest.fixture
def mend(settings: Settings) -> Callable[..., Any]:
    """Return a function that runs `mend` in this process."""
    told = {"MEND_HOME": str(settings.home), "MEND_PIPELINES": str(ROOT / "pipelines"), "KAFKA_BROKER": NO_ADDRESS,
            "DATABASE_URL": ""}  # fmt: skip
    return lambda *words: CliRunner().invoke(cli, list(words), env=told)


@pytest.mark.waits
def test_scripts_get_json_once(mend: Callable[..., Any]) -> None:
    """One document with every part; elsewhere than at a terminal it is printed once, too."""
    document = orjson.loads(mend("monitor", "--once", "--json").stdout)
    parts = {"at", "pipelines", "runs", "incidents", "places", "services", "waiting", "quarantined"}
    assert document.keys() == parts
    assert [one["trouble"][:20] for one in document["pipelines"]] == ["KAFKA_BROKER: 'nobod"] * 2
    assert "no address" in mend("monitor").stdout


@pytest.mark.waits
def test_q_ends_it_and_the_terminal_is_as_before(settings: Settings) -> None:
    """At a terminal it stays, draws, and ends with code 0 when q is pressed."""
    told = os.environ | {"MEND_HOME": str(settings.home), "MEND_PIPELINES": str(ROOT / "pipelines"), "TERM": "xterm",
                         "KAFKA_BROKER": NO_ADDRESS, "DATABASE_URL": ""}  # fmt: skip
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", "from cli.main import app; app()", "monitor", "--every", "1s"]
    with closing(os.fdopen(ours, "r+b", buffering=0)) as terminal:
        process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=told, cwd=ROOT)
        os.close(theirs)
        shown = b""
        deadline = time.monotonic() + 30
        while b"q ends it" not in shown and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.1)[0]:
                shown += terminal.read(4096)
        assert b"q ends it" in shown
        terminal.write(b"q")
        assert process.wait(10) == 0
