"""Which channels the settings set up."""

from collections.abc import Sequence
from pathlib import Path

from mend.alerts.channel import Channel
from mend.alerts.console import Console
from mend.alerts.courier import LAST_RESORT, Courier
from mend.alerts.mail import Email, MailServer
from mend.alerts.policy import Policy, default_or
from mend.alerts.slack import SlackBot, SlackWebhook
from mend.runtime.errors import UserError
from mend.runtime.logging import get_logger
from mend.runtime.settings import Settings
from mend.store.engine import Store

AT_HOME = {"", "localhost"}
PROJECT_FILE = Path("agent") / "alerts.yml"


def channels_of(settings: Settings) -> dict[str, Channel]:
    """Return the channels by name, the last resort last. A mail server that is none prints mail to the console."""
    found: dict[str, Channel] = {}
    webhook, token = settings.alert_slack_webhook_url.get_secret_value(), settings.slack_bot_token.get_secret_value()
    if token:
        found["slack"] = SlackBot(token, settings.slack_channel, settings.slack_api_url)
    elif webhook:
        found["slack"] = SlackWebhook(checked_url(webhook))
    recipients = addresses(settings.alert_email)
    if recipients and settings.smtp_server not in AT_HOME:
        found["email"] = Email(mail_server(settings), settings.from_email, recipients)
    elif recipients:
        found["email"] = Console()
    return found | {LAST_RESORT: Console()}


def mail_server(settings: Settings) -> MailServer:
    """Return where mail is handed over."""
    return MailServer(
        host=settings.smtp_server,
        port=settings.smtp_port,
        user=settings.smtp_user,
        password=settings.smtp_password.get_secret_value(),
        starttls=settings.smtp_starttls,
    )


def addresses(text: str | Sequence[str]) -> tuple[str, ...]:
    """Return the addresses of a list; what could be more than one address is refused."""
    parts = [one.strip(" ") for one in (text.split(",") if isinstance(text, str) else text)]
    found = tuple(one for one in parts if one)
    for one in found:
        name, at, host = one.rpartition("@")
        if not (name and at and host) or any(
            char.isspace() or char in '<>,;:"()' or not char.isprintable() for char in one
        ):
            raise UserError(
                f"ALERT_EMAIL: {one[:80]!r} is no address. Write a list such as ops@example.com,me@example.com."
            )
    return found


def checked_url(url: str) -> str:
    """Return the webhook's address; it is a secret, and not repeated."""
    if not url.startswith(("https://", "http://")):
        raise UserError(
            "ALERT_SLACK_WEBHOOK_URL is no address: expected https://hooks.slack.com/services/… Correct it."
        )
    return url


def courier_of(settings: Settings, store: Store) -> Courier:
    """Return a worker for the store; with rules that cannot be read it works by the built-in ones, and says so."""
    try:
        policy = default_or(alerts_file(settings))
    except UserError as error:
        get_logger().error("alert_rules_unusable", error=str(error))
        policy = Policy()
    return Courier(store=store, channels=channels_of(settings), policy=policy)


def alerts_file(settings: Settings) -> Path | None:
    """Return the project's rules: the file that is named, else agent/alerts.yml here, else none."""
    return settings.alerts_file or (PROJECT_FILE if PROJECT_FILE.exists() else None)
