"""An alert as an e-mail, text and HTML: no header and no tag comes from the alert. Pure."""

from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

from mend.alerts.channel import Message
from mend.alerts.words import colour, facts, headline, story


def message_id(message: Message, sender: str) -> str:
    """Return its Message-ID, the same in every attempt: a mailbox shows a repeated one once."""
    return f"<{message.id}@{sender.rpartition('@')[2]}>"


def mail(message: Message, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """Return the whole mail."""
    made = EmailMessage(policy=SMTP)
    made["From"] = sender
    made["To"] = ", ".join(recipients)
    made["Subject"] = f"[{message.alert.severity.upper()}] {headline(message.alert)}"
    made["Date"] = format_datetime(message.at)
    made["Message-ID"] = message_id(message, sender)
    if message.root:
        made["In-Reply-To"] = message.root
        made["References"] = message.root
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(as_text(message))
    made.add_alternative(as_html(message), subtype="html")
    return made


def as_text(message: Message) -> str:
    """Return the report as text."""
    alert = message.alert
    parts = [f"{alert.severity.upper()}: {headline(alert)}"]
    parts += [f"{heading}\n{text}" for heading, text in story(alert)]
    known = "\n".join(f"{name}: {value}" for name, value in facts(alert))
    parts += [f"Facts\n{known}"] if known else []
    parts += ["\n".join(f"{name}: {url}" for name, url in message.links.items())] if message.links else []
    return "\n\n".join([*parts, f"{message.at:%Y-%m-%d %H:%M:%S} UTC"]) + "\n"


def as_html(message: Message) -> str:
    """Return the report as HTML."""
    alert = message.alert
    told = "".join(f"<h3>{escape(heading)}</h3><p>{lines(text)}</p>" for heading, text in story(alert))
    rows = "".join(
        f"<tr><th align='left'>{escape(name)}</th><td>{lines(value)}</td></tr>" for name, value in facts(alert)
    )
    links = "".join(f"<p><a href='{escape(url)}'>{escape(name)}</a></p>" for name, url in message.links.items())
    head = f"<h2 style='border-left:6px solid {colour(alert)};padding-left:8px'>{escape(headline(alert))}</h2>"
    return (
        f"<!doctype html><html><body style='font-family:sans-serif'>{head}<p>{alert.severity.upper()}</p>{told}"
        f"<table cellpadding='4'>{rows}</table>{links}<p>{message.at:%Y-%m-%d %H:%M:%S} UTC</p></body></html>\n"
    )


def lines(text: str) -> str:
    """Return text as HTML that keeps its lines."""
    return escape(text).replace("\n", "<br>")
