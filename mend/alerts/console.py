"""The channel that is always there: the log, which a terminal shows as coloured text."""

from mend.alerts.channel import Message
from mend.alerts.words import facts, headline, story
from mend.runtime.logging import get_logger


class Console:
    """Writes the event `alert`, never below the level that is shown without `-v`."""

    pace = 0.0

    def send(self, message: Message) -> str | None:
        """Write one event."""
        alert = message.alert
        said = {heading.lower().replace(" ", "_"): text for heading, text in story(alert)}
        log = get_logger()
        write = log.error if alert.severity in {"error", "critical"} else log.warning
        write("alert", title=headline(alert), severity=str(alert.severity), kind=str(alert.kind), **said,
              facts=dict(facts(alert)))  # fmt: skip
        return None
