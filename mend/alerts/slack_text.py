"""An alert as Slack's blocks: text of others is plain text, within Slack's limits. Pure."""

from typing import Any

from mend.alerts.channel import Message
from mend.alerts.words import colour, facts, headline, line, story

SECTION = 3000
FIELD = 2000
FIELDS = 10
HEADER = 150
MOST_BLOCKS = 50
BASIC_PLANE = "\uffff"
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
"""What Slack wants escaped: without the brackets there is no mention and no link."""


def escaped(text: str, limit: int) -> str:
    """Return text that means itself, cut between two characters so that it fits, counted as Slack does (UTF-16)."""
    size = 0
    parts: list[str] = []
    for char in text:
        part = ENTITIES.get(char, char)
        size += len(part) + (char > BASIC_PLANE)
        if size >= limit:
            return "".join(parts) + "…"
        parts.append(part)
    return "".join(parts)


def plain(text: str, limit: int) -> dict[str, Any]:
    """Return a text object in which no markup works."""
    return {"type": "plain_text", "text": escaped(text, limit), "emoji": False}


def payload(message: Message) -> dict[str, Any]:
    """Return the body of a message."""
    alert = message.alert
    told = f"[{alert.severity.upper()}] {headline(alert)}"
    return {
        "text": escaped(told, SECTION),
        "unfurl_links": False,
        "unfurl_media": False,
        "attachments": [{"color": colour(alert), "fallback": escaped(told, SECTION), "blocks": blocks(message)}],
    }


def blocks(message: Message) -> list[dict[str, Any]]:
    """Return title, story, facts and links."""
    alert = message.alert
    found: list[dict[str, Any]] = [{"type": "header", "text": plain(headline(alert), HEADER)}]
    found += [{"type": "section", "text": plain(f"{heading}\n{text}", SECTION)} for heading, text in story(alert)]
    known = facts(alert)
    fields = [plain(f"{name}\n{value}", FIELD) for name, value in known[:FIELDS]]
    found += [{"type": "section", "fields": fields}] if fields else []
    more = [f"{len(known) - FIELDS} more facts are in the incident"] if len(known) > FIELDS else []
    small = [f"{alert.severity.upper()} · {message.at:%Y-%m-%d %H:%M:%S} UTC", *more]
    found.append({"type": "context", "elements": [plain(" · ".join(small), SECTION)]})
    buttons = [button(name, url) for name, url in message.links.items()]
    found += [{"type": "actions", "elements": buttons}] if buttons else []
    return found[:MOST_BLOCKS]


def button(name: str, url: str) -> dict[str, Any]:
    """Return a link; where it leads is the configuration's."""
    return {"type": "button", "text": plain(line(name, 70), 75), "url": url[:SECTION]}
