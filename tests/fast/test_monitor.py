"""Failed tasks: how grave, what the matter is, what may be done, and what the matrix makes of it."""

from pathlib import Path

import pytest

from agent.context import History
from agent.decide import judge
from agent.diagnose import PATTERNS, Policy, diagnose, load_policy, pattern_named
from agent.fix import approved_acts, plan, question
from agent.matrix_file import load_matrix
from agent.monitor import Before, assess
from mend.contracts.decision import Action, DecisionResult, Rows
from mend.contracts.incident import Severity
from mend.contracts.task_event import Assessment, Safety, Strategy, TaskEvent
from mend.runtime.errors import UserError

NOW = "2026-01-01T12:00:00+00:00"


@pytest.fixture(scope="module")
def policy() -> Policy:
    """Return the shipped policy."""
    return load_policy()


def event(error: str, **fields: object) -> TaskEvent:
    """Return a failure."""
    return TaskEvent(source="airflow", task="load", error=error, **fields)  # type: ignore[arg-type]


def assessed(policy: Policy, failure: TaskEvent, before: Before | None = None) -> Assessment:
    """Assess a failure."""
    return assess(failure, pattern_named(diagnose(failure, policy).pattern, policy), before or Before(), policy)


def decided(policy: Policy, failure: TaskEvent, before: Before | None = None, **config: bool) -> DecisionResult:
    """Take a failure through diagnosis, plan and matrix."""
    before = before or Before()
    diagnosis = diagnose(failure, policy)
    about = (assessed(policy, failure, before), diagnosis, plan(failure, diagnosis, policy))
    history = History(pipeline_config=dict(config))
    return judge(question("event-1", failure, about, before, history, now=NOW), load_matrix()).decision


@pytest.mark.parametrize(
    ("error", "pattern", "strategy", "safety"),
    [
        ("Schema validation failed for batch 7", "schema_validation", "update_schema", "risky"),
        ("psycopg.OperationalError: connection timed out", "connection_timeout", "retry_task", "safe"),
        ("HTTP 503 Service Unavailable", "connection_timeout", "retry_task", "safe"),
        ("type mismatch: expected long but got string", "type_mismatch", "add_transformation", "unsafe"),
        ("ValueError: could not convert string to float: 'x'", "type_mismatch", "add_transformation", "unsafe"),
        ("missing required field 'email'", "missing_required_field", "add_transformation", "unsafe"),
        ("KeyError: 'email'", "missing_required_field", "add_transformation", "unsafe"),
        ("403 Forbidden: access denied", "access_refused", "notify_human", "unsafe"),
        ("Job was cancelled by the user", "cancelled", "notify_human", "unsafe"),
        ("the frobnicator bent", "unknown", "retry_task", "safe"),
    ],
)
def test_patterns_name_cause_and_strategy(policy: Policy, error: str, pattern: str, strategy: str, safety: str) -> None:
    """Each comes with suggestions and a confidence; what nobody knows is little sure."""
    found = diagnose(event(error), policy)
    assert (found.pattern, found.strategy, found.safety) == (pattern, Strategy(strategy), Safety(safety))
    assert found.suggestions
    assert (found.confidence < 0.5) == (pattern == "unknown")


def test_the_error_goes_before_the_log_and_is_surer(policy: Policy) -> None:
    """Another line of the log may be the cause."""
    both = diagnose(event("could not convert x", log_excerpt="retrying: timed out"), policy)
    only_log = diagnose(event("task failed", log_excerpt="could not convert x"), policy)
    assert (both.pattern, only_log.pattern) == ("type_mismatch", "type_mismatch")
    assert only_log.confidence < both.confidence


@pytest.mark.parametrize(
    ("error", "tries", "before", "severity"),
    [
        ("timed out", 0, Before(), "medium"),
        ("timed out", 3, Before(), "high"),
        ("timed out", 0, Before(seen=3), "high"),
        ("timed out", 3, Before(seen=3), "critical"),
        ("cannot cast x", 0, Before(), "high"),
        ("cannot cast x", 9, Before(seen=9), "critical"),
        ("access denied", 9, Before(seen=9), "critical"),
        ("cancelled by user", 9, Before(seen=9), "low"),
    ],
)
def test_severity_comes_of_pattern_tries_and_recurrence(
    policy: Policy, error: str, tries: int, before: Before, severity: str
) -> None:
    """A step for many tries, one for many recurrences; nothing is graver than critical."""
    assert assessed(policy, event(error, retry_count=tries), before).severity is Severity(severity)


@pytest.mark.parametrize(
    ("error", "fields", "before", "intervene"),
    [
        ("access denied", {"max_retries": 3}, Before(), True),
        ("cannot cast x", {}, Before(), True),
        ("cannot cast x", {"max_retries": 3}, Before(), False),
        ("cannot cast x", {"max_retries": 2, "retry_count": 2}, Before(), True),
        ("timed out", {}, Before(), True),
        ("the frobnicator bent", {}, Before(), False),
        ("the frobnicator bent", {}, Before(seen=1), True),
        ("cancelled by user", {}, Before(seen=2), False),
    ],
    ids=["critical", "high", "high, source tries", "high, tries over", "medium known", "medium new", "again", "low"],
)
def test_whether_something_is_done(
    policy: Policy, error: str, fields: dict[str, object], before: Before, *, intervene: bool
) -> None:
    """Critical always, high unless the source still tries, medium by pattern, low never."""
    assert assessed(policy, event(error, **fields), before).intervene is intervene


def test_safe_is_done_by_itself_and_for_the_task_that_failed(policy: Policy) -> None:
    """The matrix asks for a retrigger, of the event's own task."""
    failure = event("timed out", dag_id="nightly")
    diagnosis = diagnose(failure, policy)
    about = (assessed(policy, failure), diagnosis, plan(failure, diagnosis, policy))
    judged = judge(question("event-1", failure, about, Before(), History(), now=NOW), load_matrix())
    assert (judged.decision.actions, judged.decision.rows) == ((Action.RETRIGGER,), Rows.NOTHING)
    assert judged.acts[0].params == {
        "dag_id": "nightly", "task_id": "load", "execution_date": "2026-01-01T12:00:30+00:00"
    }  # fmt: skip


def test_risky_is_done_as_the_configuration_says(policy: Policy) -> None:
    """A schema is updated by named fields only, and only while remapping is not switched off."""
    named = event("unknown field loyalty", new_fields={"loyalty": "string"})
    assert decided(policy, named).actions == (Action.REMAP, Action.RETRIGGER)
    assert decided(policy, named, schema_drift_auto_remap=False).actions == (Action.ESCALATE,)
    assert decided(policy, event("unknown field loyalty")).actions == (Action.ESCALATE,)
    asking = load_policy_with("risky: apply", "risky: ask")
    assert decided(asking, named).actions == (Action.ESCALATE,)


def load_policy_with(old: str, new: str) -> Policy:
    """Return the shipped policy with a change."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "diagnosis.yml"
        path.write_text(PATTERNS.read_text().replace(old, new))
        return load_policy(path)


@pytest.mark.parametrize("error", ["cannot cast x", "missing required field a", "access denied", "disk is full"])
def test_unsafe_waits_for_a_person(policy: Policy, error: str) -> None:
    """However often it came: the machine keeps its hands off."""
    assert decided(policy, event(error)).actions == (Action.ESCALATE,)


def test_a_file_that_calls_a_transformation_safe_is_not_obeyed() -> None:
    """There is nothing that the machine could do."""
    failure = event("cannot cast x")
    bold = load_policy_with("safety: unsafe", "safety: safe")
    assert plan(failure, diagnose(failure, bold), bold).by_itself is False


@pytest.mark.parametrize(
    ("fields", "before"),
    [
        ({"retry_count": 3}, Before()),
        ({}, Before(tries=3)),
        ({}, Before(in_a_row=2)),
        ({"retry_count": 10**9}, Before()),
    ],
    ids=["tries of the source", "tries of Mend", "failures in a row", "absurd"],
)
def test_budgets_of_the_matrix_hold_for_tasks_of_others(
    policy: Policy, fields: dict[str, object], before: Before
) -> None:
    """Three tries for one cause, three failures in a row: a person is called."""
    assert decided(policy, event("timed out", **fields), before).actions == (Action.ESCALATE,)


def test_an_approved_update_of_the_schema_comes_before_the_task(policy: Policy) -> None:
    """A person who approves gets the schema that the task needs."""
    named = event("unknown field loyalty", new_fields={"loyalty": "string"})
    assert [one.tool for one in approved_acts(named, diagnose(named, policy))] == [
        "apply_schema_remap", "retrigger_task"
    ]  # fmt: skip
    assert [one.tool for one in approved_acts(event("cannot cast x"), diagnose(event("cannot cast x"), policy))] == [
        "retrigger_task"
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("'timed?[ -]?out'", "'timed?[ -'", "is no regular expression"),
        ("  low: never\n", "", "'low' is missing"),
        ("risky: apply", "risky: maybe", "risky"),
    ],
)
def test_what_is_wrong_in_the_file_is_said(old: str, new: str, told: str) -> None:
    """With the file's name, before anything is decided by it."""
    with pytest.raises(UserError, match=f"diagnosis.yml.*{told}"):
        load_policy_with(old, new)
