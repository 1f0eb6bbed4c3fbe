"""Logs are one JSON line an event on stderr; people at a terminal get coloured text."""

import logging
import sys

import structlog

Logger = structlog.stdlib.BoundLogger


def configure_logging(*, verbose: int = 0, quiet: bool = False, json_lines: bool | None = None) -> None:
    """Send events to stderr: warnings by default, all from `-v`, none but errors with `--quiet`."""
    level = logging.ERROR if quiet else {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    as_json = not sys.stderr.isatty() if json_lines is None else json_lines
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Asked for at each use: who replaced stderr meanwhile gets the events, too.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get_logger() -> Logger:
    """Return the logger; call it with an event name and keys: log.info("run_staged", rows=10)."""
    logger: Logger = structlog.get_logger()
    return logger
