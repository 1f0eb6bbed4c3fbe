"""Decisions as files: the newest in one, all of them as lines of another."""

from pathlib import Path

from mend.contracts import codec
from mend.contracts.decision import DecisionLogLine, DecisionResult
from mend.runtime.files import append_line_once, write_json


class FileJournal:
    """Writes `agent_decision.json` and appends to `decision_log.jsonl`."""

    def __init__(self, output: Path, log: Path) -> None:
        self.output = output
        self.log = log

    def record(self, decision: DecisionResult, line: DecisionLogLine) -> None:
        """Append the line unless it is there, then replace the file."""
        append_line_once(self.log, codec.dumps(line))
        self.finish(decision)

    def finish(self, decision: DecisionResult) -> None:
        """Replace the file."""
        write_json(self.output, codec.to_dict(decision))
