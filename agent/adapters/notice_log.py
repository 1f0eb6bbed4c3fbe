"""Notices as events of the log. No channel to people is set up here, and the result does not pretend one."""


class LogNotices:
    """Writes the event `ops_notice`."""

    def say(self, message: str, severity: str, title: str) -> str:
        """Log the message at the level of its severity."""
        from mend.runtime.logging import get_logger

        log = get_logger()
        write = {"info": log.info, "warning": log.warning}.get(severity, log.error)
        write("ops_notice", title=title, message=message, severity=severity)
        return "the log"
