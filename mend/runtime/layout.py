"""Where the files of a run lie below MEND_HOME."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mend.contracts.codec import to_dict
from mend.runtime.files import write_json
from mend.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of design: staging, published, quarantine, dead letters, keys of seen events, reports."""

    settings: Settings

    @property
    def ops(self) -> Path:
        """Latest reports under the names that users know."""
        return self.settings.home / "ops"

    def staged(self, run_id: str) -> Path:
        """Written, not readable yet."""
        return self.settings.home / "staging" / f"run={run_id}"

    def published(self, run_id: str) -> Path:
        """Readable."""
        return self.settings.published / f"run={run_id}"

    def quarantine(self, run_id: str) -> Path:
        """Rejected and held events."""
        return self.settings.home / "quarantine" / f"run={run_id}"

    def undone(self, run_id: str) -> Path:
        """Return where rows are held that were published until somebody undid that."""
        return self.quarantine(run_id) / "reason=held" / "undone"

    def dead_letters(self, run_id: str) -> Path:
        """Events that could not be decoded."""
        return self.settings.home / "dead_letters" / f"run={run_id}"

    def duplicates(self, run_id: str) -> Path:
        """Events whose key an earlier one has."""
        return self.settings.home / "duplicates" / f"run={run_id}"

    def replaced(self, run_id: str) -> Path:
        """Everything of a run whose place another one took; kept until retention ends."""
        return self.settings.home / "replaced" / f"run={run_id}"

    def settled_keys(self, run_id: str) -> Path:
        """Digests of the keys of the run's accepted events."""
        return self.settings.home / "keys" / f"run={run_id}"

    def keys(self, run_id: str) -> tuple[Path, Path]:
        """Where the run's keys may lie: still staged, or settled."""
        return self.staged(run_id) / "keys", self.settled_keys(run_id)

    def checkpoint(self, pipeline: str) -> Path:
        """Spark's checkpoint of a pipeline. A sink has its own: it starts with all that the topic holds."""
        sink = self.settings.effective_sink.lower().replace(":", ".")
        return self.settings.checkpoints / sink / pipeline

    def lock(self, pipeline: str) -> Path:
        """Held by whoever works on a pipeline."""
        return self.settings.home / "locks" / f"{pipeline}.lock"

    def settled_lock(self, pipeline: str) -> Path:
        """Held by whoever moves rows of settled runs: an undo, a replay, retention. Runs go on meanwhile."""
        return self.settings.home / "locks" / f"{pipeline}.settled.lock"

    def checkpoint_lock(self, pipeline: str) -> Path:
        """Held by the ingest job: a checkpoint may be shared by homes that know nothing of each other."""
        return self.checkpoint(pipeline).with_name(f"{pipeline}.lock")

    def run_file(self, run_id: str, name: str) -> Path:
        """Return a run's own copy of a report."""
        return self.ops / "runs" / run_id / f"{name}.json"

    def failure(self, evidence_hash: str) -> Path:
        """Return what a decision about a failed job was made from; the decision names the hash."""
        return self.ops / "failures" / f"{evidence_hash}.json"

    def contract(self, run_id: str) -> Path:
        """Files of the pipeline as they were when the run was staged."""
        return self.ops / "runs" / run_id / "contract"

    def write(self, run_id: str, name: str, document: Any) -> None:
        """Write a report for its run, and as the latest one."""
        plain = document if isinstance(document, dict) else to_dict(document)
        write_json(self.run_file(run_id, name), plain)
        self.write_latest(name, plain)

    def write_latest(self, name: str, document: dict[str, Any]) -> None:
        """Write a report that belongs to no run."""
        write_json(self.ops / f"{name}.json", document)
