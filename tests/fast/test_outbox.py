"""The outbox and its worker: at least once, in order, folded, in spite of channels that are down."""

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mend.alerts.channel import Away, Message, Refused
from mend.alerts.courier import LEASE, Courier
from mend.alerts.policy import Policy, QuietHours, load_policy
from mend.alerts.words import headline
from mend.contracts.alert import Alert, AlertKind, AlertSeverity
from mend.store.engine import Store, open_store
from mend.store.tables import DeliveryState

IN_MEMORY = Path("/dev/shm")  # noqa: S108 - the file system in memory that Linux machines have
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ALERT = Alert(title="job failed", severity=AlertSeverity.ERROR, message="no route")
HOUR = timedelta(hours=1)


@dataclass
class Clock:
    """A time that passes by sleeping."""

    at: datetime = AT

    def now(self) -> datetime:
        """Return the time."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)


@dataclass
class Fake:
    """A channel that keeps what it sends; down until a time, or for a message."""

    clock: Clock
    pace: float = 0.0
    down_until: datetime = AT - timedelta(days=1)
    retry_after: float | None = None
    refuses: str = ""
    sent: list[Message] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    tries: int = 0

    def send(self, message: Message) -> str | None:
        """Keep it."""
        self.tries += 1
        if self.clock.at < self.down_until:
            raise Away("down", self.retry_after)
        if self.refuses and self.refuses in message.alert.title:
            raise Refused("not this one")
        self.sent.append(message)
        self.times.append(self.clock.at)
        return f"ref-{message.id}"

    @property
    def titles(self) -> list[str]:
        """What was said."""
        return [headline(one.alert) for one in self.sent]


@pytest.fixture
def store() -> Iterator[Store]:
    """Open a new store, in memory where the machine has such a place: a thousand commits wait for no disk."""
    with (
        TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder,
        open_store(f"sqlite:///{folder}/mend.db") as opened,
    ):
        yield opened


@dataclass
class Desk:
    """A worker with fake channels and a clock."""

    store: Store
    clock: Clock = field(default_factory=Clock)
    policy: Policy = field(default_factory=Policy)

    def __post_init__(self) -> None:
        self.slack, self.email, self.console = (Fake(self.clock) for _ in range(3))

    def courier(self, **changes: object) -> Courier:
        """Return a worker of its own."""
        channels = {"slack": self.slack, "email": self.email, "console": self.console}
        made = Courier(store=self.store, channels=channels, policy=self.policy, now=self.clock.now,
                       sleep=self.clock.sleep, chance=random.Random(1))  # fmt: skip
        return replace(made, **changes)  # type: ignore[arg-type]

    def put(self, alert: Alert = ALERT, **changes: object) -> None:
        """Put an alert into the outbox."""
        self.store.outbox.put(replace(alert, **changes), self.clock.at)  # type: ignore[arg-type]

    def work(self, seconds: float = 60) -> None:
        """Do a pass."""
        self.courier().work(timedelta(seconds=seconds))

    def later(self, **span: float) -> None:
        """Let time pass, then do a pass."""
        self.clock.at += timedelta(**span)
        self.work()


@pytest.fixture
def desk(store: Store) -> Desk:
    """Return a worker over the store."""
    return Desk(store)


def test_an_alert_lives_and_dies_with_its_transaction(desk: Desk) -> None:
    """Rolled back with what it tells about, nothing is sent; committed, it is sent once through each channel."""
    with suppress(RuntimeError), desk.store.transaction():
        desk.put()
        raise RuntimeError
    desk.work()
    assert desk.slack.titles == desk.email.titles == []
    with desk.store.transaction():
        desk.put()
    desk.work()
    desk.work()
    assert desk.slack.titles == desk.email.titles == ["job failed"]
    assert desk.console.titles == []


def test_the_same_key_puts_an_alert_once(desk: Desk) -> None:
    """An act that is repeated after a crash tells nothing twice."""
    put = desk.store.outbox.put
    assert [put(ALERT, AT, once="act-1"), put(ALERT, AT + HOUR, once="act-1")] == [True, False]
    desk.later(hours=1)
    assert desk.slack.titles == ["job failed"]


@pytest.mark.parametrize("incident", [None, "i-1"])
def test_a_storm_of_a_thousand_is_two_messages(desk: Desk, incident: str | None) -> None:
    """The first is told at once, the other 999 as a number when it is over, however often one looks."""
    for _ in range(4):
        with desk.store.transaction():
            for _ in range(250):
                desk.put(cause="c", incident_id=incident)
                desk.clock.sleep(3)
        desk.work()
    desk.later(hours=4)
    desk.later(hours=4)
    assert len(desk.slack.sent) == 2
    assert desk.slack.titles[1] == "999 more: job failed"
    assert "999 more alerts since 2026-03-01 12:00" in desk.slack.sent[1].alert.repeated


def test_equal_titles_are_one_for_five_minutes(desk: Desk) -> None:
    """The sixth minute tells again; another title, pipeline or cause is told at once."""
    desk.put()
    desk.later(minutes=4)
    desk.put()
    desk.work()
    assert desk.slack.titles == ["job failed"]
    desk.put(title="other")
    desk.put(pipeline="orders")
    desk.put(cause="c-2")
    desk.work()
    assert desk.slack.titles == ["job failed", "other", "job failed", "job failed"]
    desk.later(minutes=6)
    assert desk.slack.titles[4:] == ["1 more: job failed"]
    desk.later(minutes=6)
    desk.put()
    desk.work()
    assert desk.slack.titles[5:] == ["job failed"]


def test_graver_is_told_and_the_end_is_told(desk: Desk) -> None:
    """What grows worse, and that it is over, is never folded; how often it came before is said with it."""
    for severity in (AlertSeverity.WARNING, AlertSeverity.WARNING, AlertSeverity.CRITICAL):
        desk.put(severity=severity, incident_id="i")
        desk.work()
    desk.put(incident_id="i")
    desk.put(kind=AlertKind.RESOLVED, severity=AlertSeverity.WARNING, incident_id="i")
    desk.work()
    told = [(str(one.alert.severity), str(one.alert.kind), one.alert.facts) for one in desk.slack.sent]
    before = {"before it": "1 more alert of 'job failed'"}
    assert told == [("warning", "problem", {}), ("critical", "problem", before), ("warning", "resolved", before)]
    desk.put(incident_id="i")
    desk.work()
    assert desk.slack.sent[-1].alert.kind is AlertKind.PROBLEM


def test_what_an_incident_tells_is_one_thread_in_order(desk: Desk) -> None:
    """The end waits for the beginning that could not be sent, and refers to it."""
    desk.slack.refuses = "begin"
    desk.put(title="begin", incident_id="i")
    desk.put(title="begin", incident_id="i", kind=AlertKind.RESOLVED)
    desk.put(title="else", incident_id="other")
    desk.work()
    assert desk.slack.titles == ["else"]
    desk.slack.refuses = ""
    desk.later(minutes=5)
    assert desk.slack.titles == ["else", "begin", "Resolved: begin"]
    assert [one.root for one in desk.slack.sent] == [None, None, f"ref-{desk.slack.sent[1].id}"]


def test_a_channel_that_is_down_is_tried_again_and_another_tells_meanwhile(desk: Desk) -> None:
    """Slack alone is wanted: e-mail tells at once, Slack later; with both wanted nothing is told twice by one."""
    desk.slack.down_until = AT + HOUR
    desk.put(severity=AlertSeverity.INFO)
    desk.put(severity=AlertSeverity.INFO, title="second")
    desk.put(title="both")
    desk.work()
    assert sorted(desk.email.titles) == ["both", "job failed", "second"]
    desk.put(severity=AlertSeverity.INFO, title="third")
    desk.work()
    assert desk.email.titles[-1] == "third"
    assert desk.slack.tries == 1
    desk.later(hours=2)
    assert sorted(desk.slack.titles) == ["both", "job failed", "second", "third"]
    assert len(desk.email.titles) == 4
    assert desk.console.titles == []


def test_the_end_of_an_incident_is_told_by_the_other_channel_too(desk: Desk) -> None:
    """It waits for the beginning in Slack, which is down, and not in e-mail."""
    desk.slack.down_until = AT + HOUR
    for kind in (AlertKind.PROBLEM, AlertKind.RESOLVED):
        desk.put(incident_id="i", kind=kind, severity=AlertSeverity.INFO)
    desk.work()
    assert desk.email.titles == ["job failed", "Resolved: job failed"]


def test_with_every_channel_down_the_console_tells(desk: Desk) -> None:
    """No alert is silent."""
    desk.slack.down_until = desk.email.down_until = AT + HOUR
    desk.put()
    desk.work()
    assert desk.console.titles == ["job failed"]
    desk.later(hours=2)
    assert desk.slack.titles == desk.email.titles == ["job failed"]


def test_tries_become_rarer_and_end_with_a_parked_alert(desk: Desk) -> None:
    """Down for nine days: some tries an hour at most; then it is given up, is shown, and can be tried again."""
    desk.slack.down_until = AT + timedelta(days=9)
    desk.put(severity=AlertSeverity.INFO)
    for _ in range(8 * 12):
        desk.later(hours=2)
    (parked,) = desk.store.deliveries.unsent()
    assert (parked.state, parked.channel, parked.error) == (DeliveryState.PARKED, "slack", "down")
    assert 80 < desk.slack.tries <= 86
    desk.later(days=2)
    assert desk.slack.sent == []
    assert desk.store.deliveries.retry(desk.clock.at, parked.id[:6]) == 1
    desk.work()
    assert desk.slack.titles == ["job failed"]


def test_the_first_pauses_double_with_jitter(desk: Desk) -> None:
    """5 s, 10 s, 20 s …, each shortened by up to half by chance."""
    desk.slack.down_until = AT + HOUR
    desk.put(severity=AlertSeverity.INFO)
    for number in range(6):
        desk.work()
        (state,) = [one for one in desk.store.deliveries.channels() if one.channel == "slack"]
        assert state.next_at is not None
        whole = 5 * 2**number
        assert whole / 2 <= (state.next_at - desk.clock.at).total_seconds() <= whole
        desk.clock.at = state.next_at


def test_the_pause_that_a_channel_asks_for_is_kept(desk: Desk) -> None:
    """Nothing is sent before it, by no worker."""
    desk.slack.down_until, desk.slack.retry_after = AT + timedelta(seconds=1), 120
    desk.put()
    desk.work()
    desk.later(seconds=119)
    assert desk.slack.tries == 1
    desk.later(seconds=1)
    assert desk.slack.titles == ["job failed"]


def test_a_refused_message_does_not_stop_those_behind_it(desk: Desk) -> None:
    """Another channel tells it, and it is tried again later."""
    desk.slack.refuses = "bad"
    desk.put(title="bad", severity=AlertSeverity.INFO)
    desk.put(title="good", severity=AlertSeverity.INFO)
    desk.work()
    assert (desk.slack.titles, desk.email.titles) == (["good"], ["bad"])


def test_messages_keep_their_distance(desk: Desk) -> None:
    """One a second where the channel wants it, also between two workers; the budget ends a pass."""
    desk.slack.pace = 1.0
    for number in range(5):
        desk.put(title=f"alert {number}", severity=AlertSeverity.INFO)
    desk.work(seconds=2)
    assert len(desk.slack.sent) == 3
    desk.work()
    pauses = [
        (after - before).total_seconds() for before, after in zip(desk.slack.times, desk.slack.times[1:], strict=False)
    ]
    assert len(pauses) == 4
    assert min(pauses) >= 1


def test_two_workers_do_not_send_twice_and_a_dead_one_is_replaced(desk: Desk) -> None:
    """While one holds the lease the other sends nothing; it ends with its time."""
    desk.put()
    other = desk.courier(name="other")
    other.tell()
    assert desk.store.deliveries.lease("slack", "dead", desk.clock.at, LEASE)
    other.work(HOUR)
    assert (desk.slack.titles, desk.email.titles) == ([], ["job failed"])
    desk.later(minutes=3)
    assert desk.slack.titles == ["job failed"]


@pytest.mark.parametrize(
    ("hour", "severity", "heard"),
    [(23, "warning", 7), (3, "warning", 7), (7, "warning", 7), (12, "info", 12), (23, "error", 23), (3, "critical", 3)],
)
def test_quiet_hours_hold_what_can_wait(desk: Desk, hour: int, severity: str, heard: int) -> None:
    """From 22 to 7 o'clock only errors are heard; what was held is heard at 7."""
    from datetime import time
    from zoneinfo import ZoneInfo

    quiet = QuietHours(begin=time(22), end=time(7), zone=ZoneInfo("UTC"), below=AlertSeverity.ERROR)
    desk.policy = replace(desk.policy, quiet_hours=quiet)
    desk.clock.at = AT.replace(hour=hour)
    desk.put(severity=AlertSeverity(severity))
    while not desk.slack.sent:
        desk.later(minutes=0)
        desk.clock.sleep(600)
    assert desk.slack.times[0].hour == heard


def test_quiet_hours_are_those_of_their_zone() -> None:
    """Berlin's night ends an hour earlier in UTC, two in summer."""
    from datetime import time
    from zoneinfo import ZoneInfo

    quiet = QuietHours(begin=time(22), end=time(7), zone=ZoneInfo("Europe/Berlin"), below=AlertSeverity.ERROR)
    assert quiet.end_after(datetime(2026, 1, 5, 22, 30, tzinfo=UTC)) == datetime(2026, 1, 6, 6, 0, tzinfo=UTC)
    assert quiet.end_after(datetime(2026, 7, 5, 22, 30, tzinfo=UTC)) == datetime(2026, 7, 6, 5, 0, tzinfo=UTC)


def test_old_alerts_go_and_waiting_ones_stay(desk: Desk) -> None:
    """A month after it was sent an alert is forgotten; one that waits is not."""
    desk.put()
    desk.work()
    desk.slack.down_until = AT + timedelta(days=90)
    desk.put(title="waits", severity=AlertSeverity.INFO)
    desk.work()
    desk.clock.at += timedelta(days=31)
    desk.put(title="new")
    desk.work()
    assert {one.alert.title for one in desk.store.deliveries.recent()} == {"waits", "new"}


GOOD = """\
routes: {warning: [email]}
quiet_hours: {from: "22:00", until: "07:00", zone: Europe/Berlin}
deduplicate: 10m
links: {run: "https://mend.local/runs/{id}"}
"""


def test_rules_come_from_a_file(tmp_path: Path) -> None:
    """What is not named is as by default; a link's id is quoted."""
    path = tmp_path / "alerts.yml"
    path.write_text(GOOD)
    policy = load_policy(path)
    assert policy.routes[AlertSeverity.WARNING] == ("email",)
    assert policy.routes[AlertSeverity.ERROR] == ("slack", "email")
    assert (policy.deduplicate, policy.remind) == (timedelta(minutes=10), Policy().remind)
    assert policy.links_of(replace(ALERT, run_id="a/../b?c")) == {"run": "https://mend.local/runs/a%2F..%2Fb%3Fc"}


def test_the_file_of_the_project_says_the_defaults() -> None:
    """agent/alerts.yml shows what holds without it."""
    assert load_policy(Path(__file__).parents[2] / "agent" / "alerts.yml") == Policy()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("routes:\n  warnin: [slack]\n", 2, "unknown key 'warnin'"),
        ("routes:\n  info:\n    - slak\n", 3, "unknown channel 'slak'"),
        ("routes:\n  info: slack\n", 2, "list of channels"),
        ("deduplicate: soon\n", 1, "no length of time"),
        ("a: 1\n", 1, "unknown key"),
        ('remind: 1h\nquiet_hours: {from: "22", until: "7 am"}\n', 2, "no time of day"),
        ("quiet_hours:\n  from: 22:00\n", 1, "'until' is missing"),
        ("quiet_hours:\n  from: 22:00\n  until: 22:00\n", 3, "Give them a length"),
        ("quiet_hours:\n  from: 22:00\n  until: 07:00\n  zone: Mars\n", 4, "unknown time zone"),
        ("links:\n  run: javascript:alert(1)\n", 2, "expected an address"),
        ("- 1\n", 1, "keys and values"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    """Before anything is sent."""
    path = tmp_path / "alerts.yml"
    path.write_text(text)
    with pytest.raises(Exception, match=words) as caught:
        load_policy(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
