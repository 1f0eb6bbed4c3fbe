"""What was done already, as lines of a file."""

from pathlib import Path

import orjson

from mend.contracts import codec
from mend.contracts.decision import ToolResult
from mend.runtime.files import append_line


class FileActs:
    """Keeps `agent_actions.jsonl`; a line torn by a crash is passed over, so that its act is done again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, key: str) -> ToolResult | None:
        """Look for the first line of the key."""
        if not self.path.exists():
            return None
        wanted = key.encode()
        for line in self.path.read_bytes().splitlines():
            if wanted in line and (result := result_of(line, key)):
                return result
        return None

    def keep(self, key: str, run_id: str | None, tool: str, target: str, result: ToolResult) -> None:
        """Append a line."""
        if self.find(key) is None:
            line = {"key": key, "run_id": run_id, "action": tool, "target": target, "result": codec.to_dict(result)}
            append_line(self.path, orjson.dumps(line))


def result_of(line: bytes, key: str) -> ToolResult | None:
    """Return the result that a whole line holds for the key."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return codec.parse(ToolResult, document["result"]) if document["key"] == key else None
