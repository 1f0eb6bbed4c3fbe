"""The audit of a staged run: its files, its processing time and the runs before it."""

import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from threading import Thread

from mend.contracts.codec import ContractError
from mend.contracts.quality import QualityResults
from mend.curate.staging import read_manifest
from mend.quality.summary import no_validation
from mend.quality.volume import history_needed
from mend.runtime import clock
from mend.store.runs import Run
from orchestration.workspace import Workspace

LIBRARY_RESULT = "ge_validation"
"""The file of Great Expectations' own result, of which the run's Data Docs are made."""


def import_ahead() -> None:
    """Import what an audit needs in a thread, while this process waits for Spark: it takes seconds."""
    Thread(target=_import_library, daemon=True).start()


def _import_library() -> None:
    with suppress(ImportError):  # the audit itself says that
        import great_expectations  # noqa: F401 - imported for its side effect on sys.modules


def audit_staged(workspace: Workspace, run: Run) -> QualityResults:
    """Run the suite over the files that the manifest names; without a manifest nothing is known of the rows."""
    began = time.perf_counter()
    results = audited(workspace, run, processed_at(run))
    return replace(results, timestamp=clock.now().isoformat(), seconds=round(time.perf_counter() - began, 3))


def audited(workspace: Workspace, run: Run, now: datetime) -> QualityResults:
    """Audit as of the run's processing time, as its rows were judged."""
    from mend.quality.audit import audit

    folder, rules = workspace.layout.staged(run.run_id), workspace.rules
    try:
        files = [folder / file.path for file in read_manifest(folder).of("accepted")]
    except (OSError, ContractError) as error:
        problem = f"the manifest of the staged files cannot be read: {error}"
        return no_validation(problem, rules=rules, run_id=run.run_id, now=now)
    needed = history_needed(rules)
    return audit(
        files,
        rules,
        run_id=run.run_id,
        now=now,
        history=workspace.store.runs.volumes(run, needed) if needed else (),
        keep=workspace.layout.run_file(run.run_id, LIBRARY_RESULT),
    )


def processed_at(run: Run) -> datetime:
    """Return what `now` meant for the run's rows: the start of its pass; the present if the report does not say."""
    started = run.report.start_time if run.report else None
    return datetime.fromisoformat(started) if started else clock.now()
