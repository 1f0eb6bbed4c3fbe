"""Requests to run a task again, as a file that the local runner picks up."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from agent.ports import Retrigger
from mend.runtime.errors import UserError
from mend.runtime.files import write_json


class FileRetriggers:
    """Keeps `retrigger.json`: {requests: [{dag_id, task_id, execution_date, requested_at}]}, oldest first.

    The runner removes the file once it has taken the requests. A task that is asked for already is not asked for twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def request(self, retrigger: Retrigger) -> str:
        """Add the request to the file."""
        pending = self._pending()
        asked = {(one.get("dag_id"), one.get("task_id"), one.get("execution_date")) for one in pending}
        if (retrigger.dag_id, retrigger.task_id, retrigger.execution_date) not in asked:
            write_json(self.path, {"requests": [*pending, asdict(retrigger)]})
        return ""

    def pending(self) -> tuple[Retrigger, ...]:
        """Return the requests that wait, oldest first."""
        names = Retrigger.__dataclass_fields__
        return tuple(Retrigger(**{k: v for k, v in one.items() if k in names}) for one in self._pending())

    def remove(self, retrigger: Retrigger) -> None:
        """Take a request out: somebody else has it now."""
        wanted = (retrigger.dag_id, retrigger.task_id, retrigger.execution_date)
        left = [
            one
            for one in self._pending()
            if (one.get("dag_id"), one.get("task_id"), one.get("execution_date")) != wanted
        ]
        if left:
            write_json(self.path, {"requests": left})
        else:
            self.path.unlink(missing_ok=True)

    def is_asked(self, dag_id: str, task_id: str) -> bool:
        """Look for it in the file."""
        return any((one.get("dag_id"), one.get("task_id")) == (dag_id, task_id) for one in self._pending())

    def _pending(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        try:
            return [dict(one) for one in orjson.loads(self.path.read_bytes())["requests"]]
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"{self.path} holds no requests ({error}). Remove it; nothing else is lost.") from error
