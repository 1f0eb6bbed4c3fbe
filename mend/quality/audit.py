"""The audit: Great Expectations over a run's staged rows. It writes nothing and sends nothing anywhere."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mend.contracts.quality import ExpectationResult, QualityResults, Verdict
from mend.contracts.rules import Rule, RuleSet
from mend.quality.expectations import build_suite
from mend.quality.frame import read_frame
from mend.quality.summary import no_validation, summarise

if TYPE_CHECKING:
    import pandas as pd

COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}
LONGEST_ERROR = 300


def audit(files: Sequence[Path], rules: RuleSet, *, run_id: str, now: datetime) -> QualityResults:
    """Check the staged files of one run against the rules; `now` (aware) is the run's processing time.

    An expectation that raised is unknown. No rows, an unreadable file or a library that does not work give the
    status `no_validation` with the verdict unknown and the error, never an exception.
    """
    import pyarrow as pa

    columns = [column for rule in rules.rules for column in rule.columns]
    try:
        frame = read_frame(files, columns) if files else None
    except (OSError, pa.ArrowException) as error:
        return _unknown(f"The staged files cannot be read: {error}", rules, run_id, now)
    if frame is None or not len(frame):
        return _unknown("There are no staged rows.", rules, run_id, now, rows=0)
    return _audit_frame(frame, rules, run_id, now)


def checkpoint_name(suite: str) -> str:
    """Return the name of the suite's checkpoint, such as customers_data_quality_checkpoint."""
    return f"{suite.removesuffix('_expectation_suite')}_data_quality_checkpoint"


def _audit_frame(frame: "pd.DataFrame", rules: RuleSet, run_id: str, now: datetime) -> QualityResults:
    with silence():
        try:
            from great_expectations.exceptions import GreatExpectationsError
        except ImportError as error:
            return _unknown(f"Great Expectations cannot be imported: {error}", rules, run_id, now, rows=len(frame))
        try:
            found = _run_checkpoint(frame, rules, now)
        except GreatExpectationsError as error:
            return _unknown(f"Great Expectations stopped: {error}", rules, run_id, now, rows=len(frame))
    results = [_result(rule, found.get(rule.name)) for rule in rules.rules]
    return summarise(results, rules=rules, rows=len(frame), run_id=run_id, now=now)


def _unknown(error: str, rules: RuleSet, run_id: str, now: datetime, *, rows: int | None = None) -> QualityResults:
    return no_validation(error[:LONGEST_ERROR], rules=rules, run_id=run_id, now=now, rows=rows)


def _run_checkpoint(frame: "pd.DataFrame", rules: RuleSet, now: datetime) -> dict[str, Any]:
    """Return the library's result of each rule by the rule's name."""
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
    checkpoint = Checkpoint(name=name, validation_definitions=[definition], result_format=COUNTS_ONLY)
    outcome = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
    (suite_result,) = outcome.run_results.values()
    return {result.expectation_config.meta["rule"]: result for result in suite_result.results}


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


def _result(rule: Rule, found: Any) -> ExpectationResult:
    counts = (found.result or {}) if found is not None else {}
    error = _error(found)
    observed = counts.get("observed_value")
    return ExpectationResult(
        expectation_type=rule.expectation,
        column=", ".join(rule.columns),
        severity=rule.severity,
        verdict=_verdict(found, error),
        evaluated=int(counts.get("element_count") or 0) - int(counts.get("missing_count") or 0),
        failures=int(counts.get("unexpected_count") or 0),
        observed=None if observed is None else str(observed),
        error=error,
    )


def _verdict(found: Any, error: str | None) -> Verdict:
    if error is not None:
        return "unknown"
    return "pass" if found.success is True else "fail"


def _error(found: Any) -> str | None:
    """Return why the expectation has no result; the library reports `success=False` for one that raised."""
    if found is None:
        return "The expectation gave no result."
    exceptions = found.exception_info or {}
    several = [exceptions] if "raised_exception" in exceptions else list(exceptions.values())
    raised = [each for each in several if each["raised_exception"]]
    return str(raised[0]["exception_message"]).strip()[:LONGEST_ERROR] if raised else None
