"""Logs: one JSON line an event, whatever is in it, without secrets."""

import logging
from typing import Any

import orjson
import pytest

from mend.runtime.logging import configure_logging, get_logger
from mend.runtime.settings import load_settings


class Broken:
    """Has no text."""

    def __str__(self) -> str:
        """Fail."""
        raise ValueError("no text")


LOOP: dict[str, Any] = {}
LOOP["self"] = LOOP
WORST = [
    "two\nlines\r\n\x1b[31mred\u2028\u2029\x85", "\ud800", b"\xff", float("nan"), float("inf"), 2**99, Broken(),
    "x" * 2**21,
    {("a", 1): {1, 2}, None: object}, LOOP, list(range(10**5)), ValueError("\n"),
]  # fmt: skip


def fail(text: str) -> None:
    """Raise an error with a text."""
    raise ValueError(text)


@pytest.fixture(autouse=True)
def json_lines() -> None:
    """Log as for machines."""
    configure_logging(json_lines=True)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the events, each of one line, however a reader finds lines."""
    text = capsys.readouterr().err
    return [orjson.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("value", WORST, ids=range(len(WORST)))
def test_an_event_is_one_json_line(value: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """As a key, as a value, as the event, deep inside; no event is longer than people can read."""
    get_logger().warning(
        "event", value=value, deep=[[[[value]]]], **{f"k{value!r:.50}" if not isinstance(value, Broken) else "k": 1}
    )
    get_logger().warning(value)
    found = lines(capsys)
    assert [len(found), found[0]["event"]] == [2, "event"]
    assert all(len(orjson.dumps(one)) < 50_000 for one in found)


def test_a_stack_trace_and_what_libraries_say_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    """The standard library's logging takes the same way."""
    try:
        fail("first\nsecond")
    except ValueError:
        get_logger().exception("broken")
    logging.getLogger("urllib3").warning("retry %s", "a\nb")
    logging.getLogger("urllib3").info("quiet")
    broken, said = lines(capsys)
    assert "first\nsecond" in broken["exception"]
    assert (said["library"], said["message"]) == ("urllib3", "retry a\nb")


def test_no_secret_of_the_settings_is_in_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever it stands: password of a URL, webhook, key, value, error."""
    webhook = "https://hooks.slack.com/services/T0CANARY/B0CANARY/canary-path"
    load_settings(
        alert_slack_webhook_url=webhook, smtp_password="canary-smtp", database_url="postgresql://u:canary%21db@h/d"
    )
    try:
        fail("postgresql://u:canary%21db@h/d")
    except ValueError:
        get_logger().exception("canary!db", **{"canary-smtp": [{"a": webhook}], "path": webhook[23:]})
    text = orjson.dumps(lines(capsys)).decode()
    assert "canary" not in text.lower()
    assert "***" in text


def test_a_terminal_is_not_moved(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences of others are replaced in the text for people, too."""
    configure_logging(json_lines=False)
    get_logger().warning("event \x1b[2J", value="\x1b]0;title\x07")
    text = capsys.readouterr().err
    assert "\x1b[2J" not in text
    assert "\x1b]0" not in text
