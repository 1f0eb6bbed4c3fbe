"""Notices as events of the log. No channel to people is set up here, and the result does not pretend one."""


class LogNotices:
    """Writes the event `ops_notice` to the log, on stderr."""

    def say(self, message: str, severity: str, title: str) -> str:
        """Log the message at the level of its severity."""
        # Loaded here: most decisions say nothing, and they start faster without it.
        import structlog

        from mend.runtime.logging import configure_logging, get_logger

        if not structlog.is_configured():  # unconfigured it would write to stdout, which belongs to the decision
            configure_logging(verbose=1)
        log = get_logger()
        write = {"info": log.info, "warning": log.warning}.get(severity, log.error)
        write("ops_notice", title=title, message=message, severity=severity)
        return "the log"
