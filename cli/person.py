"""Who gives a command, and the line that the log of decisions keeps of it."""

from datetime import datetime

from mend.runtime.layout import Layout


def who(by: str) -> str:
    """Return the name that was given, else the user of this machine."""
    import getpass

    return by or getpass.getuser()


def noted(layout: Layout, act: str, reason: str, at: datetime, *, by: str, run_id: str | None = None) -> None:
    """Note a person's act in the log of decisions."""
    from mend.runtime import decision_log

    line = decision_log.note(act, reason, at.isoformat(), by=by, run_id=run_id)
    decision_log.append(layout.ops / "decision_log.jsonl", line)
