"""Decisions as files: the newest in one, all of them as lines of another."""

from pathlib import Path

from mend.contracts import codec
from mend.contracts.decision import DecisionLogLine, DecisionResult
from mend.runtime import decision_log
from mend.runtime.files import write_atomic, write_json


class FileJournal:
    """Writes `agent_decision.json` and appends to `decision_log.jsonl`."""

    def __init__(self, output: Path, log: Path) -> None:
        self.output = output
        self.log = log

    def keep(self, name: str, content: bytes) -> None:
        """Write the file beside the log unless it is there."""
        path = self.log.parent / name
        if not path.exists():
            write_atomic(path, content)

    def record(self, decision: DecisionResult, line: DecisionLogLine) -> None:
        """Chain the line to the log unless it is there, then replace the file."""
        decision_log.append(self.log, line)
        self.finish(decision)

    def finish(self, decision: DecisionResult) -> None:
        """Replace the file."""
        write_json(self.output, codec.to_dict(decision))
