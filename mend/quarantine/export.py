"""Waiting events as a file of lines, for people to edit and for programs to read."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import orjson

from mend.contracts.quarantine import Selection
from mend.quarantine.rows import waiting
from mend.quarantine.work import Bench, event_texts

OWNER_ONLY = 0o600


def write_export(bench: Bench, selection: Selection, path: Path) -> int:
    """Write a line for each event that is meant; returns how many. Only the owner of the file may read it."""
    many = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as out:
        os.fchmod(descriptor, OWNER_ONLY)
        for one in exported(bench, selection):
            out.write(orjson.dumps(one) + b"\n")
            many += 1
    return many


def exported(bench: Bench, selection: Selection) -> Iterator[dict[str, Any]]:
    """Yield position, cause and event; what is no event is told as it came, in hexadecimal digits."""
    with duckdb.connect(config={"threads": 1, "enable_external_access": False}) as db:
        db.execute("SET TimeZone = 'UTC'").fetchall()
        for part in waiting(bench.index, selection, bench.plan):
            texts = event_texts(db, bench.decode, part, []).to_pylist()
            rows = part.records.select(["partition", "offset", "value"]).to_pylist()
            for row, text, code in zip(rows, texts, part.codes.tolist(), strict=True):
                cause = part.causes[code]
                yield {
                    "run_id": part.source.run.run_id, "partition": row["partition"], "offset": row["offset"],
                    "place": cause.place, "reason": cause.rule, "column": cause.column, "event": as_event(text),
                    "bytes": row["value"].hex() if text is None and row["value"] is not None else None,
                }  # fmt: skip


def as_event(text: str | None) -> Any:
    """Return an event as JSON where it is some, else its text."""
    try:
        found = orjson.loads(text) if text is not None else None
    except orjson.JSONDecodeError:
        return text
    return found if isinstance(found, dict) and exact(text or "") else text


def exact(text: str) -> bool:
    """Whether no number of an event loses a digit on its way through this file."""
    return not any(len(one) > 15 for one in numbers(text))  # noqa: PLR2004 - what a double holds


def numbers(text: str) -> list[str]:
    """Return what may be long numbers."""
    return [one.replace(".", "").lstrip("-0") for one in re.findall(r"-?\d[\d.]{14,}", text)]
