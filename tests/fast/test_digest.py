"""The summary of some hours: what the store counts, in a mail."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from agent.decide import decide
from agent.matrix_file import load_matrix
from agent.testing import scenario
from cli.main import cli
from mend.contracts.incident import Severity
from mend.incidents.lifecycle import opened
from mend.incidents.log import incident_log
from mend.runtime.layout import Layout
from mend.runtime.settings import Settings, load_settings
from mend.store.engine import Store, open_store
from orchestration.digest import Digest, as_alert, digest

pytestmark = pytest.mark.waits

NOW = datetime.now(UTC)
EMPTY = Digest(
    since=NOW - timedelta(hours=24), until=NOW, published=0, held=0, failed=0, decisions={}, opened=(), resolved=0,
    live=(), alerts_waiting=0,
)  # fmt: skip


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Set an environment whose mail is printed."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "MEND_HOME": str(tmp_path),
        "ALERT_EMAIL": "ops@example.com",
        "SMTP_SERVER": "localhost",
    }.items():
        monkeypatch.setenv(name, value)
    return load_settings()


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """Open the store of the settings."""
    with open_store(settings.store_url) as opened_store:
        yield opened_store


def happen(store: Store, settings: Settings) -> None:
    """Let something happen: today two incidents of which one is over and a decision, a month ago an open incident."""
    log, month = incident_log(store, Layout(settings).ops), NOW - timedelta(days=30)
    for name, kind, at in (("a", "late", NOW), ("b", "broken", NOW), ("c", "old", month)):
        log.open_incident(replace(opened(name, kind, f"about {name}", Severity.HIGH, at), cause=f"cause {name}"))
    log.resolve_incident("a", "done", NOW)
    store.decisions.record("r-1", decide(scenario(), load_matrix()), NOW)
    store.decisions.record("r-0", decide(scenario(), load_matrix()), month)


def test_the_summary_counts_the_time_that_was_asked_for(store: Store, settings: Settings) -> None:
    """What is still open is named however old it is; the rest is of these hours."""
    happen(store, settings)
    found = digest(
        store, incident_log(store, Layout(settings).ops), NOW - timedelta(hours=1), NOW + timedelta(seconds=1)
    )
    assert ({one.id for one in found.opened}, found.resolved) == ({"a", "b"}, 1)
    assert {one.id for one in found.live} == {"b", "c"}
    assert found.decisions == {"continue": 1}


def test_the_summary_says_how_it_went() -> None:
    """In one sentence, with the incidents in a line each."""
    assert as_alert(EMPTY).message == "No run was settled."
    one = opened("i", "late", "too late", Severity.HIGH, NOW)
    alert = as_alert(replace(EMPTY, published=3, opened=(one,), live=(one,), alerts_waiting=2))
    assert alert.message == "3 runs were published; 1 incident is open."
    assert alert.facts["incident i"] == "high late, open: too late"
    assert (alert.facts["alerts not sent"], alert.channels) == ("2", ("email",))
    assert as_alert(replace(EMPTY, published=1)).message.endswith("no incidents are open.")
    again = as_alert(replace(EMPTY, opened=(replace(one, occurrences=4),)))
    assert again.facts["incident i"] == "high late, open, 4 times: too late"


def test_a_person_gets_the_summary_by_mail(
    store: Store, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """`mend alerts digest` prints it, and sends it by e-mail only when asked."""
    happen(store, settings)
    run = CliRunner()
    shown = run.invoke(cli, ["alerts", "digest", "--since", "2h", "--json"])
    assert shown.exit_code == 0
    assert orjson.loads(shown.stdout)["facts"]["incidents"] == "2 opened, 1 of them resolved"
    assert store.deliveries.recent() == ()
    sent = run.invoke(cli, ["alerts", "digest", "--send"])
    assert sent.exit_code == 0
    assert "Summary of 24 hours" in sent.stdout
    (delivery,) = store.deliveries.recent()
    assert (delivery.channel, str(delivery.state)) == ("email", "sent")
    capsys.readouterr()
