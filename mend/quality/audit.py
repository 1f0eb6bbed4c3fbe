"""The audit: Great Expectations over a run's staged rows. It writes nothing and sends nothing anywhere."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mend.contracts.quality import ExpectationResult, QualityResults
from mend.contracts.rules import Rule, RuleSet
from mend.quality.expectations import build_suite
from mend.quality.frame import StagedRows
from mend.quality.merge import merged, raised_in
from mend.quality.summary import no_validation, summarise
from mend.quality.vocabulary import DISTINCT, EXPECTATIONS
from mend.quality.volume import compares, with_history
from mend.runtime.files import write_json

if TYPE_CHECKING:
    import pandas as pd

COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}
LONGEST_ERROR = 300
AT_ONCE = 500_000
"""Rows in memory at a time: more cost memory, fewer cost time (each frame is a run of the library's checkpoint)."""

Found = dict[str, Any]
"""The library's result of one expectation, as JSON."""


def audit(
    files: Sequence[Path],
    rules: RuleSet,
    *,
    run_id: str,
    now: datetime,
    history: Sequence[int] = (),
    keep: Path | None = None,
    at_once: int = AT_ONCE,
) -> QualityResults:
    """Check the staged files of one run against the rules; `now` (aware) is the run's processing time.

    An expectation that raised is unknown. No rows, an unreadable file or a library that does not work give the
    status `no_validation` with the verdict unknown and the error, never an exception. `history` has the rows of the
    runs before, newest first; `keep` is the file for the library's own result, of which Data Docs are made.
    """
    import pyarrow as pa

    asked, rows = with_history(rules, history), None
    try:
        staged = StagedRows(files) if files else None
        rows = staged.count if staged else 0
        if staged is None or not rows:
            return _unknown("There are no staged rows.", rules, run_id, now, rows=0)
        with silence():
            found = _validate(staged, asked, now, at_once)
    except (OSError, pa.ArrowException) as error:
        return _unknown(f"The staged files cannot be read: {error}", rules, run_id, now)
    except LibraryError as error:
        return _unknown(str(error), rules, run_id, now, rows=rows)
    if keep:
        write_json(keep, found)
    by_rule = {one["expectation_config"]["meta"]["rule"]: one for one in found["results"]}
    results = [_result(rule, by_rule.get(rule.name)) for rule in asked.rules]
    return summarise(results, rules=rules, rows=rows, run_id=run_id, now=now)


class LibraryError(Exception):
    """Great Expectations cannot be imported, or stopped."""


def checkpoint_name(suite: str) -> str:
    """Return the name of the suite's checkpoint, such as customers_data_quality_checkpoint."""
    return f"{suite.removesuffix('_expectation_suite')}_data_quality_checkpoint"


def _unknown(error: str, rules: RuleSet, run_id: str, now: datetime, *, rows: int | None = None) -> QualityResults:
    return no_validation(error[:LONGEST_ERROR], rules=rules, run_id=run_id, now=now, rows=rows)


def _validate(staged: StagedRows, rules: RuleSet, now: datetime, at_once: int) -> Found:
    """Return the library's result over all rows: in one go, or frame by frame where there are too many rows.

    What is about the run as a whole is then judged on its own columns alone.
    """
    try:
        from great_expectations.exceptions import GreatExpectationsError
    except ImportError as error:
        raise LibraryError(f"Great Expectations cannot be imported: {error}") from error
    try:
        if staged.count <= at_once:
            (frame,) = staged.frames(_columns(rules), staged.count)
            return checkpoint(rules, now)(frame)
        return _by_parts(staged, rules, now, at_once)
    except GreatExpectationsError as error:
        raise LibraryError(f"Great Expectations stopped: {error}") from error


def _by_parts(staged: StagedRows, rules: RuleSet, now: datetime, at_once: int) -> Found:
    apart, distinct, whole = (
        replace(rules, rules=tuple(rule for rule in rules.rules if _group(rule) == group)) for group in range(3)
    )
    parts, others = [], []
    if apart.rules:
        run = checkpoint(apart, now)
        parts = [run(frame) for frame in staged.frames(_columns(apart), at_once)]
    for some, hashed in ((distinct, True), (whole, False)):
        if some.rules:
            others.append(checkpoint(some, now)(staged.whole(_columns(some), hashed=hashed)))
    return merged(parts, others)


def _group(rule: Rule) -> int:
    """Return 0 for what can be judged frame by frame, 1 for what only tells values apart, 2 for all else."""
    if EXPECTATIONS[rule.expectation].about != "run":
        return 0
    return 1 if rule.expectation in DISTINCT else 2


def _columns(rules: RuleSet) -> list[str]:
    return [column for rule in rules.rules for column in rule.columns]


def checkpoint(rules: RuleSet, now: datetime) -> Callable[["pd.DataFrame"], Found]:
    """Return a function that runs the suite's checkpoint over a frame and gives the library's result as JSON."""
    from great_expectations import Checkpoint, ValidationDefinition

    context = quiet_context()
    asset = context.data_sources.add_pandas("staged").add_dataframe_asset("rows")
    name = checkpoint_name(rules.suite)
    definition = ValidationDefinition(
        name=name,
        data=asset.add_batch_definition_whole_dataframe("run"),
        suite=context.suites.add(build_suite(rules, now=now)),
    )
    context.validation_definitions.add(definition)
    ready = Checkpoint(name=name, validation_definitions=[definition], result_format=COUNTS_ONLY)
    added = context.checkpoints.add(ready)

    def run(frame: "pd.DataFrame") -> Found:
        (found,) = added.run(batch_parameters={"dataframe": frame}).run_results.values()
        document: Found = found.to_json_dict()
        return document

    return run


def quiet_context() -> Any:
    """Return a context in memory that neither reports usage nor draws progress bars."""
    from great_expectations import get_context
    from great_expectations.data_context.types import base

    config = base.DataContextConfig(
        store_backend_defaults=base.InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars=base.ProgressBarsConfig(globally=False),
    )
    return get_context(mode="ephemeral", project_config=config)


@contextmanager
def silence() -> Iterator[None]:
    """Keep the warnings and log lines of Great Expectations to itself: what matters of them is in the results."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _result(rule: Rule, found: Found | None) -> ExpectationResult:
    counts = (found or {}).get("result") or {}
    error = _error(found)
    return ExpectationResult(
        expectation_type=rule.expectation,
        column=", ".join(rule.columns),
        severity=rule.severity,
        verdict="unknown" if found is None or error is not None else "pass" if found["success"] is True else "fail",
        evaluated=int(counts.get("element_count") or 0) - int(counts.get("missing_count") or 0),
        failures=int(counts.get("unexpected_count") or 0),
        observed=_observed(rule, counts.get("observed_value")),
        error=error,
    )


def _observed(rule: Rule, value: Any) -> str | None:
    """Return what the library saw; where the runs before set the bounds, also which these are."""
    if value is None:
        return None
    return f"{value}, {rule.notes.splitlines()[0]}" if compares(rule) else str(value)


def _error(found: Found | None) -> str | None:
    """Return why the expectation has no result; the library reports `success=False` for one that raised."""
    if found is None:
        return "The expectation gave no result."
    raised = raised_in(found)
    return str(raised["exception_message"]).strip()[:LONGEST_ERROR] if raised else None
