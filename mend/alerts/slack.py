"""Slack: an incoming webhook, or a bot that tells an incident in one thread."""

import http.client
from collections.abc import Mapping
from typing import Any

from mend.alerts.channel import Away, Message, Refused
from mend.alerts.slack_text import payload
from mend.contracts.alert import AlertKind
from mend.runtime.clock import now
from mend.runtime.pause import seconds_asked
from mend.runtime.redact import masked

TIMEOUT_SECONDS = 10
BUSY = 429
BROKEN = 500
UNREACHABLE = (OSError, http.client.HTTPException, UnicodeError)
"""What urllib raises below the client: no route, no name, a reset, a time-out, half an answer."""


class SlackWebhook:
    """One channel, by its webhook's URL. It cannot thread: what belongs to an incident says so in its facts."""

    pace = 1.0

    def __init__(self, url: str, timeout: int = TIMEOUT_SECONDS) -> None:
        self.url = url
        self.timeout = timeout

    def send(self, message: Message) -> str | None:
        """Post it; only the answer `ok` counts."""
        from slack_sdk.webhook import WebhookClient

        # Without its own retries: they would send again what may have arrived.
        client = WebhookClient(self.url, timeout=self.timeout, retry_handlers=[])
        try:
            answer = client.send_dict(payload(message))
        except (*UNREACHABLE, ValueError) as error:
            raise Away(f"Slack's webhook cannot be reached: {why(error)}") from None
        refuse(answer.status_code, answer.headers, answer.body, arrived=answer.body.strip() == "ok")
        return None


class SlackBot:
    """A bot's token and a channel: the messages of an incident are one thread, and its end is also said outside it."""

    pace = 1.0

    def __init__(self, token: str, channel: str, base_url: str, timeout: int = TIMEOUT_SECONDS) -> None:
        self.token = token
        self.channel = channel
        self.base_url = base_url
        self.timeout = timeout

    def send(self, message: Message) -> str | None:
        """Post it and return its time stamp, by which Slack names messages."""
        from slack_sdk import WebClient
        from slack_sdk.errors import SlackApiError

        client = WebClient(self.token, base_url=self.base_url, timeout=self.timeout, retry_handlers=[])
        thread: dict[str, Any] = {"thread_ts": message.root} if message.root else {}
        if message.root and message.alert.kind is AlertKind.RESOLVED:
            thread["reply_broadcast"] = True
        channel = message.alert.slack_channel or self.channel
        try:
            answer = client.chat_postMessage(channel=channel, **payload(message), **thread)
        except SlackApiError as error:
            told = error.response
            refuse(told.status_code, told.headers, str(told.get("error", "")), arrived=False)
            raise
        except (*UNREACHABLE, ValueError) as error:
            raise Away(f"Slack cannot be reached: {why(error)}") from None
        return str(answer.get("ts", "")) or None


OUR_FAULT = {
    "invalid_payload",
    "invalid_blocks",
    "invalid_attachments",
    "msg_too_long",
    "no_text",
    "too_many_attachments",
}
"""Answers about this one message; every other one is about the channel."""


def refuse(status: int, headers: Mapping[str, Any], body: str, *, arrived: bool) -> None:
    """Raise what an answer means, unless the message arrived."""
    if status == BUSY:
        named = {name.lower(): value for name, value in headers.items()}
        raise Away("Slack asks for a pause (429)", seconds_asked(named.get("retry-after"), now()))
    said = masked(body.strip()[:200]) or "nothing"
    if any(word in body for word in OUR_FAULT):
        raise Refused(f"Slack does not take it: {said}")
    if not arrived or status >= BROKEN:
        raise Away(f"Slack answered {status}: {said}")


def why(error: Exception) -> str:
    """Return the cause in words; the URL is a secret and never in it."""
    return masked(f"{type(error).__name__}: {error}"[:200])
