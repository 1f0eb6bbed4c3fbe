"""Scenarios that people write beside a matrix: what is given, and what must be decided."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, get_type_hints

from agent.conditions import CUSTOM
from agent.context import DecisionContext, History, context_from
from agent.matrix import Matrix, Verdict, decide
from agent.matrix_file import bare, expect, signal_kind, word
from agent.sanity import Anomaly, Problem
from agent.signals import Signals, signals_of
from agent.testing import AUDIT, NOON, REPORT
from mend.contracts.decision import Action, Rows
from mend.runtime.yaml_file import Place, YamlFile, load_yaml

SCENARIOS = Path(__file__).with_name("decision_scenarios.yml")
GIVEN = {"report", "audit", "history", "signals"}
EXPECTED = {"rules", "actions", "rows", "reason"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A healthy run of 1000 events but for what is given, and what is expected of its decision."""

    name: str
    line: int
    context: DecisionContext
    signals: dict[str, Any]
    expected: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a scenario ended: what was decided, and how that differs from what was expected."""

    scenario: Scenario
    verdict: Verdict
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the decision is as expected."""
        return not self.differences


def load_scenarios(path: Path = SCENARIOS) -> tuple[Scenario, ...]:
    """Read scenarios; every mistake names file and line."""
    file = load_yaml(path)
    document = expect(file, (), file.document, dict)
    file.check_keys((), document, {"scenarios"}, {"scenarios"})
    found = expect(file, ("scenarios",), document["scenarios"], list)
    return tuple(read_scenario(file, ("scenarios", at), one) for at, one in enumerate(found))


def read_scenario(file: YamlFile, place: Place, document: Any) -> Scenario:
    """Read one scenario. What is given goes through the same reading as a real report."""
    found = expect(file, place, document, dict)
    file.check_keys(place, found, {"name", "given", "expect"}, {"name", "expect"})
    given = expect(file, (*place, "given"), found.get("given", {}), dict)
    file.check_keys((*place, "given"), given, GIVEN)
    missing = [name for name in ("report", "audit") if name in given and given[name] is None]
    parts = {name: expect(file, (*place, "given", name), given.get(name, {}), dict) for name in GIVEN - {*missing}}
    history = (*place, "given", "history")
    file.check_keys(history, parts["history"], {one.name for one in fields(History)})
    return Scenario(
        name=expect(file, (*place, "name"), found["name"], str),
        line=file.lines.get(place, 1),
        context=context_from(
            {
                "run_report": REPORT | parts["report"] if "report" in parts else None,
                "ge_results": AUDIT | parts["audit"] if "audit" in parts else None,
                **parts["history"],
            },
            now=NOON.isoformat(),
        ),
        signals={
            name: read_signal(file, (*place, "given", "signals", name), name, value)
            for name, value in parts["signals"].items()
        },
        expected=read_expected(file, (*place, "expect"), found["expect"]),
    )


def read_signal(file: YamlFile, place: Place, name: str, value: Any) -> Any:
    """Read the value of a signal as its type: what the report would have to say for it does not matter."""
    kind = signal_kind(file, place, name)
    if kind == "custom":
        return value
    if name not in {one.name for one in fields(Signals)}:
        raise file.error(place, f"'{name}' is a limit. Set it under history: pipeline_config.")
    wanted = bare(get_type_hints(Signals)[name])
    if wanted is Anomaly:
        return Anomaly(problem=word(file, place, value, Problem), reason="as the scenario says")
    if kind == "list":
        raise file.error(place, f"{name} is a list of what was found. Give the report that has it.")
    if kind == "word":
        return word(file, place, value, wanted)
    if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        return Fraction(str(value)) if wanted is Fraction else value
    if kind == "flag" and isinstance(value, bool):
        return value
    raise file.error(place, f"{value!r} is not a {kind}.")


def read_expected(file: YamlFile, place: Place, document: Any) -> dict[str, Any]:
    """Read what is expected: at least one thing, in the words of the matrix."""
    found: dict[str, Any] = expect(file, place, document, dict)
    file.check_keys(place, found, EXPECTED)
    if not found:
        raise file.error(place, f"nothing is expected. Expect one of: {', '.join(sorted(EXPECTED))}.")
    for at, one in enumerate(expect(file, (*place, "actions"), found.get("actions", []), list)):
        word(file, (*place, "actions", at), one, Action)
    expect(file, (*place, "rules"), found.get("rules", []), list)
    expect(file, (*place, "reason"), found.get("reason", ""), str)
    if "rows" in found:
        word(file, (*place, "rows"), found["rows"], Rows)
    return found


def run_scenario(one: Scenario, matrix: Matrix) -> Result:
    """Decide about a scenario by the table."""
    signals = signals_of(one.context, matrix.limits)
    own = {name.removeprefix(CUSTOM): value for name, value in one.signals.items() if name.startswith(CUSTOM)}
    ours = {name: value for name, value in one.signals.items() if not name.startswith(CUSTOM)}
    verdict = decide(replace(signals, **ours, custom={**signals.custom, **own}), matrix)
    return Result(scenario=one, verdict=verdict, differences=tuple(differences(one.expected, verdict)))


def differences(expected: dict[str, Any], verdict: Verdict) -> Iterator[str]:
    """Say where a decision is not what was expected."""
    came: dict[str, Any] = {
        "rules": [rule.id for rule in verdict.rules],
        "actions": [one.value for one in verdict.actions],
        "rows": verdict.rows.value,
    }
    for name, wanted in expected.items():
        if name == "reason":
            if not any(wanted in reason for reason in verdict.reasons):
                yield f"no reason says '{wanted}': {'; '.join(verdict.reasons)}"
        elif came[name] != wanted and (name == "rows" or sorted(came[name]) != sorted(wanted)):
            yield f"{name}: expected {shown(wanted)}, came {shown(came[name])}"


def shown(value: Any) -> str:
    """Return words as a text."""
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def unreached(results: tuple[Result, ...], matrix: Matrix) -> tuple[str, ...]:
    """Return the rows of the matrix that no scenario fires."""
    fired = {rule.id for one in results for rule in one.verdict.rules}
    return tuple(rule.id for rule in matrix.rules if rule.id not in fired)
