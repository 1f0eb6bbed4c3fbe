"""What an alert says, in plain text that nothing can break out of. Pure."""

from mend.contracts.alert import Alert, AlertKind, AlertSeverity
from mend.runtime.redact import masked

LINE = 200
TEXT = 8_000
MOST_FACTS = 40
COLOURS = {
    AlertSeverity.INFO: "#36a64f",
    AlertSeverity.WARNING: "#ffaa00",
    AlertSeverity.ERROR: "#ff0000",
    AlertSeverity.CRITICAL: "#8b0000",
}
RANK = {severity: rank for rank, severity in enumerate(AlertSeverity)}


def shown(text: object, limit: int = TEXT) -> str:
    """Return foreign text without secrets, control characters and more than `limit` characters; lines stay lines."""
    # What is cut off is cut first: a text of many megabytes costs nothing. A secret that the cut halves stays whole
    # within the margin, and is masked before the second cut.
    margin = str(text)[: limit + TEXT]
    lines = masked(margin).replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    clean = "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in lines)
    return clean if len(clean) <= limit else f"{clean[: limit - 1]}…"


def line(text: object, limit: int = LINE) -> str:
    """Return foreign text as one line."""
    return shown(" ".join(str(text)[: TEXT * 2].split()), limit).replace("\n", " ")


def headline(alert: Alert) -> str:
    """Return the title as people see it; that something is over stands before it."""
    before = "Resolved: " if alert.kind is AlertKind.RESOLVED else f"{alert.repeats} more: " if alert.repeats else ""
    return line(f"{before}{alert.title}", 140)


def colour(alert: Alert) -> str:
    """Return the colour of its severity; what is over is green."""
    return COLOURS[AlertSeverity.INFO if alert.kind is AlertKind.RESOLVED else alert.severity]


def story(alert: Alert) -> tuple[tuple[str, str], ...]:
    """Return what happened, what was done and what to do, as far as it is known."""
    happened = f"{alert.repeated}\nThe first one said: {alert.message}" if alert.repeated else alert.message
    parts = (("What happened", happened), ("What was done", alert.done), ("What to do", alert.todo))
    return tuple((heading, shown(text)) for heading, text in parts if text.strip())


def facts(alert: Alert) -> tuple[tuple[str, str], ...]:
    """Return the facts, beginning with what it is about."""
    about = {"pipeline": alert.pipeline, "run": alert.run_id, "incident": alert.incident_id}
    known = {name: value for name, value in about.items() if value}
    both = [*known.items(), *alert.facts.items()][:MOST_FACTS]
    return tuple((line(name, 60), shown(value, 1000)) for name, value in both)
