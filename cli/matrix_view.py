"""What a terminal shows of a decision matrix, of its proof and of its scenarios."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from agent.conditions import AllOf, AnyOf, When
from agent.matrix import Matrix, Rule
from agent.matrix_proof import Example, Finding
from agent.matrix_scenarios import Result
from agent.phrases import worded
from cli.run_view import Plain
from cli.wording import clean, plural
from mend.contracts.decision import Action

SIGNS = {"==": "=", "!=": "≠", "in": "is one of", "present": "is there", "absent": "is not there"}


def drawn(matrix: Matrix) -> RenderableType:
    """Return each row in two lines: what it does, and when."""
    parts: list[RenderableType] = []
    for rule in (*matrix.rules, matrix.fallback):
        when = "no row fires" if rule is matrix.fallback else sentence(rule.when, matrix)
        does = " · ".join((", ".join(one.value for one in rule.actions), rule.rows.value, *call(rule)))
        parts.append(Text.assemble((rule.id, "bold"), "  ", (does, "cyan")))
        parts.append(Padding(Text(when, style="dim"), (0, 0, 0, 4)))
    return Plain(Group(*parts))


def call(rule: Rule) -> Iterator[str]:
    """Say how grave a row's call of a person is."""
    if Action.ESCALATE in rule.actions:
        yield rule.severity.value
    if rule.opens_circuit:
        yield "opens the circuit"


def sentence(when: When, matrix: Matrix, *, inner: bool = False) -> str:
    """Write a condition for people; a limit stands with its value."""
    match when:
        case AllOf(parts) | AnyOf(parts):
            word = " and " if isinstance(when, AllOf) else " or "
            text = word.join(sentence(part, matrix, inner=True) for part in parts) or "always"
            return f"({text})" if inner and len(parts) > 1 else text
    sign = SIGNS.get(when.op, when.op)
    if when.limit:
        return f"{when.signal} {sign} {when.limit} ({worded(getattr(matrix.limits, when.limit))})"
    value = ", ".join(when.value) if isinstance(when.value, tuple) else number(when.value)
    return f"{when.signal} {sign} {value}".strip()


def number(value: Any) -> str:
    """Return a value as it stands in the file."""
    if value is None:
        return ""
    if isinstance(value, str | bool):
        return worded(value) if isinstance(value, bool) else value
    return f"{float(value):g}"


def as_document(matrix: Matrix) -> dict[str, Any]:
    """Return the matrix as JSON, with each condition in words."""
    limits = {name: getattr(matrix.limits, name) for name in matrix.limits.__dataclass_fields__}
    return {
        "version": matrix.version,
        "limits": {name: value if isinstance(value, int) else float(value) for name, value in limits.items()},
        "rules": [as_row(rule, matrix) for rule in matrix.rules],
        "fallback": as_row(matrix.fallback, matrix),
    }


def as_row(rule: Rule, matrix: Matrix) -> dict[str, Any]:
    """Return a row as JSON."""
    return {
        "id": rule.id,
        "line": rule.line,
        "when": sentence(rule.when, matrix),
        "actions": [one.value for one in rule.actions],
        "rows": rule.rows.value,
        "severity": rule.severity.value if Action.ESCALATE in rule.actions else None,
        "opens_circuit": rule.opens_circuit,
        "reason": rule.reason,
    }


def checked(path: Path, cells: int | None, found: Sequence[Finding], owned: Sequence[Example]) -> None:
    """Print what was proven, or each finding with its counterexample."""
    parts: list[RenderableType] = []
    if not found:
        parts.append(Text(f"✓ {path}: no gap, no dead row, no contradiction, monotone", style="bold green"))
    for one in found:
        parts.append(Text(f"✗ {path}:{one.line}: {one.kind}: {clean(one.message)}", style="red"))
        parts += [Text(f"    {line}") for line in told(one.examples)]
    if cells:
        parts.append(Text(f"{cells:.2e} cells, each of them judged", style="dim"))
    parts += [Text(f"left to the fallback: {situation(one)}", style="yellow") for one in owned]
    Console().print(Plain(Group(*parts)))


def told(examples: Sequence[Example]) -> list[str]:
    """Say what is decided about each example."""
    words = ("before: ", "after: ") if len(examples) > 1 else ("",)
    return [
        f"{word}{situation(one)} → {', '.join(one.actions)}; {one.rows} [{', '.join(one.rules)}]"
        for word, one in zip(words, examples, strict=False)
    ]


def situation(example: Example) -> str:
    """Say which signals are not as in a healthy run."""
    return ", ".join(f"{name} = {value}" for name, value in example.signals.items()) or "a healthy run"


def tested(path: Path, results: Sequence[Result], missed: Sequence[str]) -> None:
    """Print the scenarios that failed, and how many did not."""
    parts: list[RenderableType] = []
    for one in results:
        for difference in one.differences:
            where = f"{path}:{one.scenario.line}: {clean(one.scenario.name)}"
            parts.append(Text(f"✗ {where}: {clean(difference)}", style="red"))
    passed = sum(one.passed for one in results)
    if not results:
        parts.append(Text(f"✗ {path}: there is no scenario, so nothing was tested", style="red"))
    else:
        tone = "green" if passed == len(results) else "red"
        parts.append(Text(f"{passed} of {plural(len(results), 'scenario')} as expected", style=f"bold {tone}"))
    if missed:
        parts.append(Text(f"no scenario fires: {', '.join(missed)}", style="yellow"))
    Console().print(Plain(Group(*parts)))
