"""Alerts of incidents and notices, the dead man's check, and what people's own scripts and the command line do."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from agent.wiring import store_ports
from cli.main import cli
from mend.alerts import notify
from mend.alerts.telling import news, tell_incidents
from mend.alerts.wiring import courier_of
from mend.contracts.alert import Alert, AlertKind, AlertSeverity
from mend.contracts.incident import IncidentStatus, Severity
from mend.incidents.lifecycle import opened
from mend.incidents.log import incident_log
from mend.runtime.errors import UserError
from mend.runtime.heartbeat import ping
from mend.runtime.layout import Layout
from mend.runtime.settings import Settings, load_settings
from mend.store.engine import Store, open_store
from orchestration.dead_man import look
from orchestration.effects import call
from orchestration.workspace import open_workspace
from tests.fast.alert_servers import SlackServer, slack_server

pytestmark = pytest.mark.waits

CUSTOMERS = Path(__file__).parents[2] / "pipelines" / "customers.yml"
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    """Run Slack."""
    with slack_server() as server:
        yield server


@pytest.fixture
def variables(tmp_path: Path, slack: SlackServer) -> dict[str, str]:
    """Return an environment with a webhook."""
    return {"MEND_HOME": str(tmp_path), "ALERT_SLACK_WEBHOOK_URL": f"{slack.url}/services/T/B/X", "DATABASE_URL": ""}


@pytest.fixture
def settings(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Set the environment."""
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings()


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """Open the store of the settings, whose incidents are told."""
    with open_store(settings.store_url) as opened:
        tell_incidents(opened, "orders")
        yield opened


def waiting(store: Store) -> list[Alert]:
    """Return the alerts that nobody looked at."""
    return [one.alert for one in store.outbox.new()]


def test_the_beginning_and_the_end_of_an_incident_are_told(store: Store, tmp_path: Path) -> None:
    """A repeated act tells nothing anew, a note calls nobody; all of it is one thread of one cause."""
    incidents = store_ports(store, tmp_path / "ops", "orders", ()).incidents
    for _ in range(2):
        incidents.open("poison_storm", "bad", {"run_id": "r-1"}, Severity.HIGH, AT, key="act", cause="storm:1")
    incidents.note("storm:1", "goes on", AT)
    incidents.resolve("storm:1", "good again", AT)
    begun, over = waiting(store)
    assert [begun.kind, over.kind] == [AlertKind.PROBLEM, AlertKind.RESOLVED]
    assert (begun.severity, begun.pipeline, begun.run_id) == (AlertSeverity.ERROR, "orders", "r-1")
    assert begun.incident_id == over.incident_id is not None
    assert over.done == "good again"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, IncidentStatus.OPEN, AlertKind.PROBLEM),
        (None, IncidentStatus.CLOSED, None),
        (IncidentStatus.OPEN, IncidentStatus.ACKNOWLEDGED, None),
        (IncidentStatus.OPEN, IncidentStatus.RESOLVED, AlertKind.RESOLVED),
        (IncidentStatus.ACKNOWLEDGED, IncidentStatus.RESOLVED, AlertKind.RESOLVED),
        (IncidentStatus.RESOLVED, IncidentStatus.CLOSED, None),
        (IncidentStatus.RESOLVED, IncidentStatus.OPEN, AlertKind.PROBLEM),
    ],
)
def test_what_is_news(before: IncidentStatus | None, after: IncidentStatus, expected: AlertKind | None) -> None:
    """That a problem is there, or there again, and that it is over; nobody hears that somebody is on it."""
    incident = opened("i", "x", "bad", Severity.HIGH, AT)
    was = replace(incident, status=before) if before else None
    assert news(was, replace(incident, status=after)) is expected


def test_what_comes_again_is_told_of_the_incident_that_counts_it(store: Store, tmp_path: Path) -> None:
    """The outbox counts such alerts; there is no second incident to hear of."""
    log = incident_log(store, tmp_path)
    for name in ("a", "b"):
        log.open_incident(replace(opened(name, "x", "bad", Severity.HIGH, AT), cause="same"))
    assert [(one.incident_id, one.kind) for one in waiting(store)] == [("a", AlertKind.PROBLEM)] * 2


def test_an_incident_that_a_person_resolves_is_told(settings: Settings, store: Store) -> None:
    """`mend incident resolve` says so in its transaction, with what the person did; acknowledging calls nobody."""
    log = incident_log(store, Layout(settings).ops)
    log.open_incident(opened("i-1", "x", "bad", Severity.HIGH, AT, context={"pipeline": "shop"}))
    run = CliRunner()
    assert run.invoke(cli, ["incident", "ack", "i-1"]).exit_code == 0
    assert run.invoke(cli, ["incident", "resolve", "i-1", "-m", "restarted"]).exit_code == 0
    begun, over = waiting(store)
    assert (begun.kind, over.kind, over.done, over.pipeline) == (
        AlertKind.PROBLEM,
        AlertKind.RESOLVED,
        "restarted",
        "shop",
    )


def test_whatever_opens_an_incident_in_a_workspace_is_told(settings: Settings, slack: SlackServer) -> None:
    """The check of an act opens its incident by the log alone and is heard of: the workspace has its store tell."""
    del slack
    with open_workspace(settings, str(CUSTOMERS)) as workspace:
        call(workspace, "r-1", "key", "expected: 5 rows are held; found: 4")
        (alert,) = waiting(workspace.store)
    assert (alert.pipeline, alert.run_id, alert.severity) == ("customers", "r-1", AlertSeverity.ERROR)


def test_an_incident_of_a_time_without_the_store_is_told_afterwards(store: Store, tmp_path: Path) -> None:
    """It waits in the file; with the incident its alert comes into the store."""
    incident_log(None, tmp_path).open_incident(replace(opened("i", "x", "bad", Severity.HIGH, AT), cause="c"))
    incident_log(store, tmp_path).get_recent_incidents(at=AT)
    assert [(one.incident_id, one.kind) for one in waiting(store)] == [("i", AlertKind.PROBLEM)]


def test_no_alert_is_left_of_an_incident_that_was_not_kept(store: Store, tmp_path: Path) -> None:
    """They are one transaction."""
    incidents = store_ports(store, tmp_path / "ops", "orders", ()).incidents
    with suppress(RuntimeError), store.transaction():
        incidents.open("x", "bad", {}, Severity.HIGH, AT)
        raise RuntimeError
    assert waiting(store) == []


def test_a_notice_goes_to_people(store: Store, tmp_path: Path) -> None:
    """What the tool notify_ops says is an alert."""
    store_ports(store, tmp_path / "ops", "orders", ()).notices.say("late", "warning", "Late events")
    (alert,) = waiting(store)
    assert (alert.title, alert.message, alert.severity) == ("Late events", "late", AlertSeverity.WARNING)


def test_a_pipeline_that_gives_no_sign_is_told_once_and_its_return_too(
    settings: Settings, store: Store, slack: SlackServer
) -> None:
    """The check may run as often as it likes."""
    store.beats.beat("orders", AT)
    assert look(settings, AT + HALF_AN_HOUR) == []
    assert slack.arrived == []
    for minutes in (1, 6, 200):
        assert look(settings, AT + HALF_AN_HOUR + timedelta(minutes=minutes)) == ["orders"]
    assert ["no sign of life" in one["body"]["text"] for one in slack.arrived] == [True]
    store.beats.beat("orders", AT + timedelta(hours=5))
    for minutes in (1, 2):
        assert look(settings, AT + timedelta(hours=5, minutes=minutes)) == []
    assert [one["body"]["text"][:20] for one in slack.arrived[1:]] == ["[CRITICAL] Resolved:"]
    assert look(settings, AT + timedelta(hours=6)) == ["orders"]
    assert len(slack.arrived) == 3


def test_a_store_that_cannot_be_opened_is_told_without_it(
    settings: Settings, slack: SlackServer, tmp_path: Path
) -> None:
    """That is when nothing else could tell."""
    (tmp_path / "mend.db").write_text("no database")
    assert look(settings, AT) == ["the store"]
    assert "store cannot be used" in slack.arrived[0]["body"]["text"]


@pytest.mark.parametrize(("answer", "good"), [((200, "ok", {}), True), ((500, "no", {}), False), ((0, "", {}), False)])
def test_the_sign_of_life_does_no_harm(slack: SlackServer, answer: Any, *, good: bool) -> None:
    """The address is fetched once; a monitor that is down is not waited for and raises nothing."""
    slack.answers.append(answer)
    assert ping(f"{slack.url}/ping/uuid") is good
    assert slack.asked == ["/ping/uuid"]
    assert [ping(""), ping("no address"), ping("http://127.0.0.1:1/x")] == [False] * 3


def test_scripts_say_something_in_slack(settings: Settings, slack: SlackServer) -> None:
    """The functions that people know return what became of the message."""
    del settings
    assert notify.send_slack("it is late", title="Late", severity="warning") == {"slack": "sent"}
    assert notify.send_slack("it is late", title="Late", severity="warning") == {"outbox": "repeats an alert"}
    assert notify.notify_data_quality_issue("customers", 12.5)["slack"] == "sent"
    (first, second) = slack.arrived
    assert first["body"]["attachments"][0]["color"] == "#ffaa00"
    assert second["body"]["text"] == "[CRITICAL] Data quality: customers"
    with pytest.raises(UserError, match="unknown severity 'loud'"):
        notify.send_notification("x", severity="loud")


def test_scripts_are_told_that_a_message_waits(settings: Settings, slack: SlackServer, store: Store) -> None:
    """A Slack that is down raises nothing: another channel says it now, Slack later."""
    slack.answers.append((503, "down", {}))
    told = notify.notify_pipeline_failure("customers", "no route", run_id="r-1")
    assert told["slack"].startswith("waits: Slack answered 503")
    assert told["console"] == "sent"
    later = replace(courier_of(settings, store), now=lambda: datetime.now(UTC) + timedelta(minutes=10))
    assert later.work(timedelta(seconds=1)).sent == 1
    assert len(slack.arrived) == 1


def test_mail_without_a_server_is_printed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SMTP_SERVER unset or localhost: nobody is asked for a mail server on a developer's machine."""
    del settings
    monkeypatch.setenv("ALERT_EMAIL", "ops@example.com")
    monkeypatch.setenv("SMTP_SERVER", "localhost")
    assert notify.send_email("Report", "all is well") == {"email": "sent"}
    out = capsys.readouterr()
    assert "all is well" in out.err + out.out


@pytest.fixture
def mend(variables: dict[str, str]) -> Callable[..., Any]:
    """Return a function that runs `mend`."""
    return lambda *arguments: CliRunner().invoke(cli, list(arguments), env=variables)


def test_the_command_line_shows_sends_and_tries_again(
    mend: Callable[..., Any], settings: Settings, store: Store, slack: SlackServer
) -> None:
    """ls, send, retry and test; exit code 1 where something does not get through."""
    del settings
    slack.answers.append((503, "down", {}))
    store.outbox.put(Alert(title="job [bold]failed", severity=AlertSeverity.INFO), datetime.now(UTC))
    assert mend("alerts", "send").exit_code == 1
    shown = orjson.loads(mend("alerts", "ls", "--json").stdout)
    (row,) = shown["deliveries"]
    assert (row["channel"], row["state"], row["attempts"]) == ("slack", "waiting", 1)
    assert {one["channel"]: one["failures"] for one in shown["channels"]}["slack"] == 1
    text = mend("alerts", "ls").stdout
    assert "[bold]" in text
    assert "slack: failed 1 times" in text
    assert "due now: 1" in mend("alerts", "retry").stdout
    assert mend("alerts", "send").exit_code == 0
    assert len(slack.arrived) == 1
    assert "Nothing waits." in mend("alerts", "ls").stdout
    assert mend("alerts", "test").exit_code == 0
    slack.answers.append((404, "no_service", {}))
    broken = mend("alerts", "test")
    assert (broken.exit_code, "slack: failed: Slack answered 404" in broken.stdout) == (1, True)


def test_the_check_is_a_command(mend: Callable[..., Any], store: Store) -> None:
    """Exit code 1 and the names of the silent pipelines."""
    assert mend("alerts", "watch").exit_code == 0
    store.beats.beat("orders", AT)
    silent = mend("alerts", "watch")
    assert (silent.exit_code, "no sign of life: orders" in silent.stderr) == (1, True)


def test_rules_that_cannot_be_read_keep_no_alert_back(
    settings: Settings, store: Store, slack: SlackServer, tmp_path: Path
) -> None:
    """They are named in the log, and the built-in ones hold."""
    (tmp_path / "broken.yml").write_text("routes: 7\n")
    store.outbox.put(Alert(title="x", severity=AlertSeverity.INFO), datetime.now(UTC))
    courier_of(settings.model_copy(update={"alerts_file": tmp_path / "broken.yml"}), store).work(HALF_AN_HOUR)
    assert len(slack.arrived) == 1
