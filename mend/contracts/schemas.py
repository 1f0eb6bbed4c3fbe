"""JSON Schemas of the files that cross a process border: `python -m mend.contracts.schemas` renews docs/schemas."""

import sys
from pathlib import Path
from typing import Any

import orjson

from mend.contracts.codec import json_schema
from mend.contracts.decision import DecisionLogLine, DecisionResult
from mend.contracts.incident import Incident
from mend.contracts.mapping import Mapping
from mend.contracts.matching import Matching
from mend.contracts.quality import QualityResults
from mend.contracts.report import RunReport
from mend.contracts.settled import SettledManifest
from mend.contracts.task_event import Answer, TaskEvent

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
CONTRACTS: dict[str, type[Any]] = {
    "run_report": RunReport,
    "ge_results": QualityResults,
    "agent_decision": DecisionResult,
    "decision_log_line": DecisionLogLine,
    "incident": Incident,
    "mapping": Mapping,
    "matching": Matching,
    "manifest": SettledManifest,
    "task_event": TaskEvent,
    "event_answer": Answer,
}
"""Name of the schema → contract; a file of that name holds such a document."""


def documents() -> dict[str, bytes]:
    """Return the text of every schema file by its name."""
    return {f"{name}.schema.json": document(kind) for name, kind in CONTRACTS.items()}


def document(kind: type[Any]) -> bytes:
    """Return the schema of a contract, sorted and indented, so that a change shows as what it is."""
    return orjson.dumps(
        {"$schema": DIALECT, **json_schema(kind)},
        option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE,
    )


def main(folder: Path = FOLDER) -> None:
    """Write the schemas, and remove those of contracts that are gone."""
    wanted = documents()
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.schema.json"):
        if path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        (folder / name).write_bytes(content)
    sys.stdout.write(f"{len(wanted)} schemas in {folder}\n")


if __name__ == "__main__":
    main()
