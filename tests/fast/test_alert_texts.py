"""What alerts say: Slack's limits and escapes, masks, and the alerts about things that Mend knows."""

import base64
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from mend.alerts.about import about_incident, data_quality_issue, pipeline_failure, schema_drift
from mend.alerts.channel import Message
from mend.alerts.mail_text import as_text, mail
from mend.alerts.slack_text import escaped, payload
from mend.alerts.wiring import addresses
from mend.alerts.words import COLOURS, shown
from mend.contracts.alert import Alert, AlertKind, AlertSeverity
from mend.contracts.incident import Severity
from mend.incidents.lifecycle import opened
from mend.runtime.errors import UserError
from mend.runtime.redact import MASK, hide, masked

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LONG = "<!channel> & 😀" * 60_000
FACTS = {f"fact {number}": LONG for number in range(100)}


def message(**changes: Any) -> Message:
    """Return a message."""
    return Message(id="a", at=AT, alert=Alert(**{"title": "t", "severity": AlertSeverity.ERROR, **changes}))


def text_objects(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every text object."""
    if isinstance(part, dict):
        if part.get("type") in {"plain_text", "mrkdwn"}:
            yield part
        for inner in part.values():
            yield from text_objects(inner)
    if isinstance(part, list):
        for inner in part:
            yield from text_objects(inner)


def test_slacks_limits_are_kept_and_nothing_is_markup() -> None:
    """50 blocks, 3000 characters a text, 150 a header, 2000 a field, 10 fields; plain text without brackets."""
    body = payload(message(title=LONG, message=LONG, done=LONG, todo=LONG, facts=FACTS))
    (attachment,) = body["attachments"]
    assert len(attachment["blocks"]) <= 50
    limits = {"header": 150, "section": 3000}
    for block in attachment["blocks"]:
        assert len(block.get("fields", [])) <= 10
        assert all(len(field["text"].encode("utf-16-le")) // 2 <= 2000 for field in block.get("fields", []))
        for text in text_objects(block.get("text")):
            assert len(text["text"].encode("utf-16-le")) // 2 <= limits[block["type"]]
    for text in text_objects(attachment):
        assert text["type"] == "plain_text"
        assert not set("<>") & set(text["text"])
    assert not set("<>") & set(body["text"])


@pytest.mark.parametrize("limit", range(3, 12))
def test_a_cut_never_leaves_half_an_entity(limit: int) -> None:
    """Half an entity would be shown as it is."""
    cut = escaped("&<>😀a", limit).removesuffix("…")
    whole = cut.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    assert "&" not in whole


@pytest.mark.parametrize(
    ("severity", "colour"), list(zip(AlertSeverity, ["36a64f", "ffaa00", "ff0000", "8b0000"], strict=True))
)
def test_each_severity_has_its_colour(severity: AlertSeverity, colour: str) -> None:
    """The colours that people know; what is resolved is green."""
    assert COLOURS[severity] == f"#{colour}"
    assert payload(message(severity=severity))["attachments"][0]["color"] == f"#{colour}"
    over = payload(message(severity=severity, kind=AlertKind.RESOLVED))
    assert over["attachments"][0]["color"] == "#36a64f"


SECRET = 'pä ss/w0rd+&"x'


@pytest.mark.parametrize("around", ["", "a", "ab", "abc"])
def test_a_secret_is_masked_in_every_writing(around: str) -> None:
    """As it is, in a URL, in JSON, in base64 at every offset, in base64 in a URL."""
    hide([SECRET])
    inside = f"{around}{SECRET}{around}"
    encoded = base64.b64encode(inside.encode()).decode()
    for text in (inside, quote(inside), quote(inside, safe=""), encoded, quote(encoded, safe=""),
                 base64.urlsafe_b64encode(inside.encode()).decode()):  # fmt: skip
        assert MASK in masked(text), text
        assert SECRET not in masked(text)
    assert masked("nothing of it") == "nothing of it"


def test_alerts_show_no_secret() -> None:
    """In no field of Slack's message, nor of the mail."""
    hide([SECRET])
    one = message(title=SECRET, message=SECRET * 2000, done=SECRET, todo=SECRET, facts={SECRET: SECRET}, run_id=SECRET)
    assert SECRET not in repr(payload(one))
    assert SECRET not in as_text(one)
    assert SECRET not in str(mail(one, "a@b.example", ["c@d.example"])["Subject"])


@pytest.mark.parametrize(
    ("rate", "severity"),
    [(0, "info"), (1, "info"), (1.01, "warning"), (5, "warning"), (5.1, "error"), (10, "error"), (10.1, "critical"),
     (math.nan, "critical")],
)  # fmt: skip
def test_the_severity_of_bad_data(rate: float, severity: str) -> None:
    """More than 10 % critical, 5 error, 1 warning, else info; what is no number is critical."""
    assert data_quality_issue("customers", rate).severity == severity


def test_a_schema_that_lost_something_is_an_error() -> None:
    """Added fields are a warning; all changes are listed."""
    assert schema_drift("customers", {"new_fields": ["a"]}).severity is AlertSeverity.WARNING
    lost = schema_drift("customers", {"removed_fields": ["b"], "type_changes": {"c": ["int", "long"]}, "version": 3})
    assert lost.severity is AlertSeverity.ERROR
    assert lost.facts["removed fields"] == "b"
    assert '"long"' in lost.facts["type changes"]


def test_a_failed_run_says_what_and_where() -> None:
    """Error, run and task are there."""
    alert = pipeline_failure("customers", "no route", run_id="r-1", task="run_spark_job")
    assert (alert.message, alert.run_id, alert.facts) == ("no route", "r-1", {"task": "run_spark_job"})


def test_an_incidents_report_holds_all_that_is_known() -> None:
    """The context, nested or not, is in the mail; the severities of incidents become those of alerts."""
    incident = opened("i-1", "poison_storm", "6 of 10 bad", Severity.CRITICAL, AT,
                      context={"run_id": "r-1", "rules": ["a", "b"], "counts": {"bad": 6}})  # fmt: skip
    alert = about_incident(incident, AlertKind.PROBLEM, "customers")
    text = as_text(Message(id="a", at=AT, alert=alert))
    for word in ("customers: poison storm", "6 of 10 bad", "r-1", "i-1", '"bad": 6', "rules: a\nb", "CRITICAL"):
        assert word in text


@pytest.mark.parametrize("text", ["a@b\r\nBcc: x@y", "a b@c", "<a@b>", "a@", "nobody", "a@b;c@d"])
def test_an_address_is_one_address(text: str) -> None:
    """What could be a second recipient or a header is refused."""
    with pytest.raises(UserError, match="no address"):
        addresses(text)


def test_shown_text_is_printable_and_cut() -> None:
    """Control characters, half surrogates and marks that turn the writing direction are replaced; lines stay."""
    assert shown("a\x1b[31m\u202e\ud800\x00b\r\nc\td") == "a\ufffd[31m\ufffd\ufffd\ufffdb\nc d"
    assert len(shown("x" * 10**6)) == 8_000
