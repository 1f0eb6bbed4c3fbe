"""Channels: one suite for Slack's webhook, Slack's bot and e-mail, over real sockets; and what each does on its own."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from mend.alerts.channel import Away, Channel, Message, Refused
from mend.alerts.mail import Email, MailServer
from mend.alerts.slack import SlackBot, SlackWebhook
from mend.contracts.alert import Alert, AlertKind, AlertSeverity
from tests.fast import alert_servers
from tests.fast.alert_servers import SlackServer, certificate, mail_server, slack_server

pytestmark = pytest.mark.waits

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ALERT = Alert(
    title="customers: late arrivals", severity=AlertSeverity.ERROR, message="27 % of the events are late",
    done="rows are held", todo="look", pipeline="customers", run_id="r-7", incident_id="i-1", facts={"rows": "27"},
)  # fmt: skip
MESSAGE = Message(id="a1", alert=ALERT, at=AT)
SENDER = "pipeline@dataeng.local"


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the TLS of server and client."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    """Run Slack."""
    with slack_server() as server:
        yield server


@pytest.fixture
def smtp(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[alert_servers.MailServer]:
    """Run a mail server with STARTTLS."""
    with mail_server(contexts[0]) as server:
        yield server


@dataclass
class Place:
    """A channel with its server: what arrived as text, and how to bring it down."""

    channel: Channel
    arrived: Callable[[], list[str]]
    down: Callable[[], None]
    unwilling: Callable[[], None]


@pytest.fixture(params=["webhook", "bot", "email"])
def place(request: pytest.FixtureRequest, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Place:
    """Return each channel."""
    if request.param == "email":
        smtp: alert_servers.MailServer = request.getfixturevalue("smtp")
        return Place(
            email(smtp, contexts[1]),
            lambda: [str(mail.get_body(("plain",))) for _, mail in smtp.taken],
            lambda: smtp.faults.append("451"),
            lambda: smtp.faults.append("554"),
        )
    slack: SlackServer = request.getfixturevalue("slack")
    error = '{"ok":false,"error":"%s"}' if request.param == "bot" else "%s"
    made: Channel = SlackWebhook(f"{slack.url}/services/T/B/X", 1)
    if request.param == "bot":
        made = SlackBot("xoxb-token", "#ops", slack.api, 1)
    return Place(
        made,
        lambda: ["\n".join(texts(one["body"])) for one in slack.arrived],
        lambda: slack.answers.append((503, "down", {})),
        lambda: slack.answers.append((400, error % "invalid_blocks", {})),
    )


def texts(part: Any) -> Iterator[str]:
    """Yield every text of a Slack message; a bot's attachments are JSON in a form."""
    if isinstance(part, dict):
        for inner in part.values():
            yield from texts(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from texts(inner)
    elif isinstance(part, str):
        yield from texts(orjson.loads(part)) if part.startswith("[{") else [part]


def email(smtp: alert_servers.MailServer, tls: ssl.SSLContext | None, **changes: object) -> Email:
    """Return the e-mail channel of a server."""
    server = MailServer(host=smtp.host, port=smtp.port, user="mend", password="pass word", timeout=1.0, tls=tls)
    return Email(replace(server, **changes), SENDER, ["ops@example.com", "me@example.com"])  # type: ignore[arg-type]


def test_a_message_arrives_with_all_it_says(place: Place) -> None:
    """Title, what happened, what was done, what to do, run and facts are there."""
    place.channel.send(MESSAGE)
    (text,) = place.arrived()
    for word in ("late arrivals", "27 % of the events", "rows are held", "look", "r-7", "27"):
        assert word in text


def test_a_channel_that_is_down_says_so_and_works_again(place: Place) -> None:
    """It raises Away, not an error of its library; the next attempt arrives."""
    place.down()
    with pytest.raises(Away):
        place.channel.send(MESSAGE)
    place.channel.send(MESSAGE)
    assert len(place.arrived()) == 1


def test_a_message_that_is_not_taken_is_told_from_a_channel_that_is_down(place: Place) -> None:
    """It raises Refused: the others behind it can go."""
    place.unwilling()
    with pytest.raises(Refused):
        place.channel.send(MESSAGE)


HOSTILE = "<!channel> @here <http://x|ok> \x1b[31m\r\nBcc: evil@example.com\r\n\r\n<script>alert(1)</script> \x00\ud800"


def test_hostile_text_arrives_as_text_in_every_field(place: Place) -> None:
    """Mentions, links, headers, HTML, control characters and a megabyte in every field: it is sent, only text."""
    long = HOSTILE + "&" * 2**20
    alert = Alert(title=long, severity=AlertSeverity.CRITICAL, message=long, done=long, todo=long, cause=long,
                  pipeline=long, run_id=long, incident_id=long, facts={long: long, "b": long})  # fmt: skip
    place.channel.send(Message(id="a1", alert=alert, at=AT))
    (text,) = place.arrived()
    assert "\x1b" not in text
    assert "\x00" not in text
    assert len(text) < 200_000


def refused_port() -> int:
    """Return a port where nobody listens."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/x", "http://nowhere.invalid/x", "http://[broken", "https://"])
def test_a_webhook_that_cannot_be_reached_does_not_show_its_address(url: str) -> None:
    """Nobody listens, no such name, no address at all: Away each time, without the URL."""
    address = url.format(port=refused_port())
    with pytest.raises(Away) as caught:
        SlackWebhook(address, 1).send(MESSAGE)
    assert address not in str(caught.value)


@pytest.mark.parametrize(
    "answer", [(200, "no_service", {}), (200, "<html>", {}), (302, "", {}), (404, "no", {}), (0, "", {})]
)
def test_only_ok_means_that_slack_took_it(slack: SlackServer, answer: tuple[int, str, dict[str, str]]) -> None:
    """200 with an error in the body, a redirect, a cut connection: not arrived."""
    slack.answers.append(answer)
    with pytest.raises(Away):
        SlackWebhook(f"{slack.url}/services/x", 1).send(MESSAGE)


def test_a_slack_that_never_answers_ends_by_the_time_out(slack: SlackServer) -> None:
    """The worker is not kept."""
    slack.answers.append((200, "(hang)", {}))
    with pytest.raises(Away):
        SlackWebhook(f"{slack.url}/services/x", 1).send(MESSAGE)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0.2", 1), ("-5", 1), ("1e99", 3600), ("nan", None), ("soon", None), ("", None), ("inf", 3600)],
)
@pytest.mark.parametrize("kind", ["webhook", "bot"])
def test_the_pause_that_slack_asks_for(slack: SlackServer, kind: str, header: str, seconds: float | None) -> None:
    """429 tells how long to wait; nonsense is within a second and an hour, or not told."""
    slack.answers.append((429, '{"ok":false,"error":"ratelimited"}', {"Retry-After": header}))
    made = SlackWebhook(f"{slack.url}/x", 1) if kind == "webhook" else SlackBot("t", "#ops", slack.api, 1)
    with pytest.raises(Away) as caught:
        made.send(MESSAGE)
    assert caught.value.retry_after == seconds


def test_a_bot_tells_an_incident_in_one_thread(slack: SlackServer) -> None:
    """The first message's time stamp is the thread of the next ones; the end is said outside it, too."""
    bot = SlackBot("xoxb-token", "#ops", slack.api, 1)
    root = bot.send(MESSAGE)
    assert root == "0.0"
    over = replace(MESSAGE, root=root, alert=replace(ALERT, kind=AlertKind.RESOLVED, slack_channel="#other"))
    bot.send(over)
    first, last = (one["body"] for one in slack.arrived)
    assert ("thread_ts" in first, first["channel"]) == (False, "#ops")
    assert (last["thread_ts"], last["channel"]) == ("0.0", "#other")
    assert last["reply_broadcast"] in {True, "true", "1"}
    assert "Resolved: " in last["text"]


def test_mail_goes_over_tls_to_everybody_with_a_name_and_a_thread(
    smtp: alert_servers.MailServer, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """STARTTLS before the password; text and HTML; subject by severity; References to the incident's first mail."""
    channel = email(smtp, contexts[1])
    root = channel.send(MESSAGE)
    channel.send(replace(MESSAGE, id="a2", root=root))
    (to, first), (_, second) = smtp.taken
    assert smtp.logins[0] == ("mend", "pass word")
    assert to == ["ops@example.com", "me@example.com"]
    assert first["Subject"] == "[ERROR] customers: late arrivals"
    assert first["Message-ID"] == root == "<a1@dataeng.local>"
    assert second["References"] == second["In-Reply-To"] == root
    assert {part.get_content_type() for part in first.walk()} == {"multipart/alternative", "text/plain", "text/html"}


def test_no_header_and_no_tag_comes_from_an_alert(
    smtp: alert_servers.MailServer, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """CRLF and Bcc in a title stay in the subject; HTML is shown, not run."""
    alert = Alert(title=HOSTILE, severity=AlertSeverity.INFO, message=HOSTILE, facts={HOSTILE: HOSTILE})
    email(smtp, contexts[1]).send(Message(id="a1", alert=alert, at=AT))
    ((to, mail),) = smtp.taken
    assert len(to) == 2
    assert mail["Bcc"] is None
    page = mail.get_body(("html",))
    assert page is not None
    assert "<script>" not in page.get_content()
    assert "&lt;script&gt;" in page.get_content()


def test_a_server_that_hangs_after_the_mail_gets_the_same_mail_again(
    smtp: alert_servers.MailServer, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """It may have taken it: the second attempt has the same Message-ID, so that a mailbox shows one."""
    smtp.faults.append("hang")
    channel = email(smtp, contexts[1])
    with pytest.raises(Away):
        channel.send(MESSAGE)
    channel.send(MESSAGE)
    assert [mail["Message-ID"] for _, mail in smtp.taken] == ["<a1@dataeng.local>"] * 2


@pytest.mark.parametrize(("fault", "kind"), [("close", Away), ("no_rcpt", Refused)])
def test_what_else_a_mail_server_does(
    smtp: alert_servers.MailServer, contexts: tuple[ssl.SSLContext, ssl.SSLContext], fault: str, kind: type[Exception]
) -> None:
    """It cuts the line, or knows none of the recipients, whose addresses are not repeated."""
    smtp.faults.append(fault)
    with pytest.raises(kind) as caught:
        email(smtp, contexts[1]).send(MESSAGE)
    assert "@example.com" not in str(caught.value)


def test_no_password_and_no_mail_goes_without_tls() -> None:
    """A server without STARTTLS gets nothing, unless the settings allow it for a mail catcher."""
    with mail_server(None) as smtp:
        with pytest.raises(Away, match="STARTTLS"):
            email(smtp, None).send(MESSAGE)
        assert (smtp.taken, smtp.logins) == ([], [])
        email(smtp, None, starttls=False, user="").send(MESSAGE)
        assert len(smtp.taken) == 1


def test_a_certificate_of_a_stranger_is_not_trusted(smtp: alert_servers.MailServer, tmp_path: Path) -> None:
    """No mail, no password."""
    _, other = certificate(tmp_path)
    with pytest.raises(Away, match="CERTIFICATE_VERIFY_FAILED"):
        email(smtp, other).send(MESSAGE)
    assert (smtp.taken, smtp.logins) == ([], [])
