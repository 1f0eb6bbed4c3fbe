"""Logs are one JSON line an event on stderr, whatever is in it; people at a terminal get coloured text."""

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from mend.runtime.redact import masked

Logger = structlog.stdlib.BoundLogger
LONGEST = 4_000
MOST_PARTS = 100
DEEPEST = 6


def configure_logging(*, verbose: int = 0, quiet: bool = False, json_lines: bool | None = None) -> None:
    """Send events to stderr: warnings by default, all from `-v`, none but errors with `--quiet`.

    What libraries log takes the same way. The secrets of the settings are in no event.
    """
    level = logging.ERROR if quiet else {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    as_json = not sys.stderr.isatty() if json_lines is None else json_lines
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            fit_to_show,
            *([one_json_line] if as_json else [for_terminal, structlog.dev.ConsoleRenderer()]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Asked for at each use: who replaced stderr meanwhile gets the events, too.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[OurWay()], level=max(level, logging.WARNING), force=True)


@contextmanager
def logged_into(path: Path) -> Iterator[None]:
    """Send events to the end of a file meanwhile, as JSON lines: who tells a story on stderr is not interrupted."""
    before = structlog.get_config()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as out:
        processors = [one for one in before["processors"][:-1] if one is not for_terminal]
        structlog.configure(
            processors=[*processors, one_json_line], logger_factory=lambda *_: structlog.PrintLogger(out)
        )
        try:
            yield
        finally:
            structlog.configure(**before)


def get_logger() -> Logger:
    """Return the logger; call it with an event name and keys: log.info("run_staged", rows=10)."""
    logger: Logger = structlog.get_logger()
    return logger


class OurWay(logging.Handler):
    """Takes what libraries log with the standard library to our logger."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it as an event of the library's name."""
        get_logger().log(record.levelno, "library_said", library=record.name, message=record.getMessage())


def fit_to_show(_logger: Any, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Make an event of plain values: masked, cut, and such as JSON knows."""
    return {text_of(name): plain(value) for name, value in event.items()}


def plain(value: Any, depth: int = 0) -> Any:
    """Return the value as JSON knows it; what JSON does not know is its text."""
    if value is None or isinstance(value, bool) or (isinstance(value, int) and -(2**53) < value < 2**53):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if depth < DEEPEST and isinstance(value, Mapping):
        return {text_of(name): plain(part, depth + 1) for name, part in first_of(value.items())}
    if depth < DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [plain(part, depth + 1) for part in first_of(value)]
    return text_of(value)


def first_of(parts: Iterable[Any]) -> list[Any]:
    """Return as many parts as an event may have."""
    return [part for part, _ in zip(parts, range(MOST_PARTS), strict=False)]


def text_of(value: Any) -> str:
    """Return anything as a text that UTF-8 can hold, without secrets, cut."""
    try:
        text = str(value)
    except Exception as error:  # noqa: BLE001 - a log line must not be what breaks the work
        text = f"({type(value).__name__} has no text: {type(error).__name__})"
    safe = masked(text[: LONGEST * 2].encode("utf-8", "backslashreplace").decode())
    return safe if len(safe) <= LONGEST else f"{safe[:LONGEST]}… ({len(text)} characters)"


def one_json_line(_logger: Any, _method: str, event: Mapping[str, Any]) -> str:
    """Write the event in ASCII: no character that some reader takes for the end of a line."""
    return json.dumps(event, allow_nan=False)


def for_terminal(_logger: Any, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Replace what could move a cursor or change a colour."""
    return {name: harmless(value) for name, value in event.items()}


def harmless(value: Any) -> Any:
    """Return a text with its control characters replaced; what is no text is shown escaped anyway."""
    if not isinstance(value, str):
        return value
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in value)
