"""Reads a decision matrix from YAML; every error names file, line and the nearest valid name."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from fractions import Fraction
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from agent.conditions import COMPARE, CUSTOM, KNOWN, NEVER, AllOf, AnyOf, Condition, When, facts
from agent.limits import LIMIT_KINDS, NEEDED_LIMITS, Limits, limit_value
from agent.matrix import Call, Matrix, Rule
from agent.sanity import Anomaly, Problem
from agent.signals import Signals
from mend.contracts.decision import Action, Rows
from mend.contracts.incident import Severity
from mend.runtime.nearest import nearest
from mend.runtime.yaml_file import Place, YamlFile, load_yaml

MATRIX = Path(__file__).with_name("decision_matrix.yml")
FALLBACK = "fallback"
WAYS = ("higher", "lower")
RULE_KEYS = {"id", "when", "actions", "rows", "reason", "severity", "opens_circuit", "calls"}
EQUAL = ("==", "!=")
OPERATORS = {
    "number": ("==", "!=", "<", "<=", ">", ">=", *KNOWN),
    "flag": (*EQUAL, *KNOWN),
    "word": (*EQUAL, "in", *KNOWN),
    "list": KNOWN,
    "custom": (*COMPARE, *KNOWN),
}
Word = TypeVar("Word", bound=StrEnum)


def load_matrix(path: Path = MATRIX) -> Matrix:
    """Read and check a matrix; its version is a hash of the file's bytes."""
    file = load_yaml(path)
    document = expect(file, (), file.document, dict)
    file.check_keys((), document, {"limits", "rules", FALLBACK, "worse"}, {"limits", "rules", FALLBACK})
    rules = tuple(
        read_rule(file, ("rules", at), one) for at, one in enumerate(expect(file, ("rules",), document["rules"], list))
    )
    fallback, owned = read_fallback(file, expect(file, (FALLBACK,), document[FALLBACK], dict))
    check_ids(file, (*rules, fallback))
    return Matrix(
        limits=read_limits(file, expect(file, ("limits",), document["limits"], dict)),
        rules=rules,
        fallback=fallback,
        owned=owned,
        worse=dict(read_worse(file, ("worse",), document.get("worse", {}))),
        version=sha256(path.read_bytes()).hexdigest(),
    )


def read_limits(file: YamlFile, document: dict[str, Any]) -> Limits:
    """Read the thresholds; each without a default must be there, and each be of its kind."""
    file.check_keys(("limits",), document, set(LIMIT_KINDS), NEEDED_LIMITS)
    values: dict[str, Any] = {name: limit_value(name, value) for name, value in document.items()}
    words = {Fraction: "a share from 0 to 1", int: "a whole number from 1", bool: "true or false"}
    for name, value in values.items():
        if value is None:
            expected = words[LIMIT_KINDS[name]]
            raise file.error(("limits", name), f"{name} is {document[name]!r}, expected {expected}.")
    return Limits(**values)


def read_rule(file: YamlFile, place: Place, document: Any) -> Rule:
    """Read one row of the matrix."""
    found = expect(file, place, document, dict)
    file.check_keys(place, found, RULE_KEYS, {"id", "when", "actions", "rows", "reason"})
    actions = expect(file, (*place, "actions"), found["actions"], list)
    if not actions:
        raise file.error((*place, "actions"), f"a rule needs an action.{nearest('', [one.value for one in Action])}")
    return Rule(
        id=expect(file, (*place, "id"), found["id"], str),
        when=read_when(file, (*place, "when"), found["when"]),
        actions=tuple(word(file, (*place, "actions", at), one, Action) for at, one in enumerate(actions)),
        rows=word(file, (*place, "rows"), found["rows"], Rows),
        reason=read_reason(file, (*place, "reason"), found["reason"]),
        severity=word(file, (*place, "severity"), found.get("severity", Severity.MEDIUM), Severity),
        opens_circuit=expect(file, (*place, "opens_circuit"), found.get("opens_circuit", False), bool),
        calls=tuple(read_calls(file, (*place, "calls"), found.get("calls", []))),
        line=file.lines.get(place, 1),
    )


def read_worse(file: YamlFile, place: Place, document: Any) -> Iterator[tuple[str, str]]:
    """Read which way each of the user's metrics gets worse."""
    for name, way in expect(file, place, document, dict).items():
        if not name.startswith(CUSTOM) or name == CUSTOM:
            raise file.error((*place, name), f"'{name}' is no metric of yours. Expected {CUSTOM}<name>.")
        if way not in WAYS:
            raise file.error((*place, name), f"unknown way '{way}'.{nearest(str(way), WAYS)}")
        yield name, way


def read_fallback(file: YamlFile, document: dict[str, Any]) -> tuple[Rule, When]:
    """Read what happens when no rule fires, and which cells are left to it; it has no condition and must escalate."""
    if "when" in document:
        raise file.error((FALLBACK, "when"), "the fallback has no condition: it fires when no rule does.")
    owned = read_when(file, (FALLBACK, "owns"), document["owns"]) if "owns" in document else NEVER
    rest = {key: value for key, value in document.items() if key != "owns"}
    rule = read_rule(file, (FALLBACK,), {**rest, "when": {"all": []}})
    if Action.ESCALATE not in rule.actions or rule.rows not in {Rows.HOLD, Rows.NOTHING}:
        raise file.error((FALLBACK,), "the fallback must escalate and hold the rows: unknown is not healthy.")
    return rule, owned


def check_ids(file: YamlFile, rules: Iterable[Rule]) -> None:
    """Refuse two rules of one id: a decision names its rules by them."""
    seen: set[str] = set()
    for at, rule in enumerate(rules):
        if rule.id in seen:
            raise file.error(("rules", at, "id"), f"there is another rule '{rule.id}'. Give each its own id.")
        seen.add(rule.id)


def read_reason(file: YamlFile, place: Place, template: Any) -> str:
    """Read a reason; its placeholders must be known signals, limits or the user's metrics."""
    text: str = expect(file, place, template, str)
    for name in facts(text):
        signal_kind(file, place, name)
    return text


def read_calls(file: YamlFile, place: Place, document: Any) -> Iterable[Call]:
    """Read the extra tool calls of a rule; which tools there are is checked where they are."""
    for at, one in enumerate(expect(file, place, document, list)):
        here = (*place, at)
        call = expect(file, here, one, dict)
        file.check_keys(here, call, {"tool", "params"}, {"tool"})
        tool = expect(file, (*here, "tool"), call["tool"], str)
        yield Call(tool=tool, params=expect(file, (*here, "params"), call.get("params", {}), dict))


def read_when(file: YamlFile, place: Place, document: Any) -> When:
    """Read a condition, or several under `all` or `any`."""
    found = expect(file, place, document, dict)
    for key, group in (("all", AllOf), ("any", AnyOf)):
        if key in found:
            file.check_keys(place, found, {key})
            parts = expect(file, (*place, key), found[key], list)
            return group(tuple(read_when(file, (*place, key, at), one) for at, one in enumerate(parts)))
    return read_condition(file, place, found)


def read_condition(file: YamlFile, place: Place, found: dict[str, Any]) -> Condition:
    """Read one typed comparison."""
    file.check_keys(place, found, {"signal", "op", "value"}, {"signal", "op"})
    signal = expect(file, (*place, "signal"), found["signal"], str)
    kind = signal_kind(file, (*place, "signal"), signal)
    operators = OPERATORS[kind]
    op: str = found["op"]
    if op not in operators:
        hint = f" Valid for {signal}: {' '.join(operators)}."
        raise file.error((*place, "op"), f"unknown operator '{op}'.{hint}")
    if op in KNOWN:
        file.check_keys(place, found, {"signal", "op"})
        return Condition(signal=signal, op=op)
    file.check_keys(place, found, {"signal", "op", "value"}, {"value"})
    return with_value(file, (*place, "value"), Condition(signal=signal, op=op), kind, found["value"])


def with_value(file: YamlFile, place: Place, condition: Condition, kind: str, value: Any) -> Condition:
    """Add what the signal is compared with: a limit by its name, or a value of the signal's kind."""
    signal, op = condition.signal, condition.op
    if isinstance(value, str) and value in LIMIT_KINDS and kind in {"number", "flag", "custom"}:
        return Condition(signal=signal, op=op, limit=value)
    if op == "in":
        many = tuple(expect(file, (*place, at), one, str) for at, one in enumerate(expect(file, place, value, list)))
        for at, one in enumerate(many):
            check_word(file, (*place, at), signal, one)
        return Condition(signal=signal, op=op, value=many)
    if kind == "word":
        return Condition(signal=signal, op=op, value=check_word(file, place, signal, expect(file, place, value, str)))
    return Condition(signal=signal, op=op, value=scalar(file, place, kind, value))


def scalar(file: YamlFile, place: Place, kind: str, value: Any) -> Fraction | bool | str:
    """Read a number, a truth value or, for the user's metrics, a word."""
    if isinstance(value, bool) and kind in {"flag", "custom"}:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and kind in {"number", "custom"}:
        return Fraction(str(value))
    if isinstance(value, str) and kind == "custom":
        return value
    hint = nearest(str(value), LIMIT_KINDS)
    raise file.error(place, f"{value!r} is not a {kind}, and no limit has that name.{hint}")


def check_word(file: YamlFile, place: Place, signal: str, value: str) -> str:
    """Refuse a word that the signal never has."""
    valid = words_of(signal)
    if valid and value not in valid:
        raise file.error(place, f"{signal} is never '{value}'.{nearest(value, valid)}")
    return value


def signal_kind(file: YamlFile, place: Place, name: str) -> str:
    """Return what kind of value a signal has; an unknown name is refused."""
    if (name.startswith(CUSTOM) and name != CUSTOM) or name in signal_types():
        return signal_kind_of(name)
    raise file.error(place, f"unknown signal '{name}'.{nearest(name, [*signal_types(), f'{CUSTOM}<name>'])}")


def signal_kind_of(name: str) -> str:
    """Return what kind of value a known signal has."""
    if name.startswith(CUSTOM):
        return "custom"
    kind = signal_types()[name]
    if get_origin(kind) is tuple:
        return "list"
    kinds: dict[Any, str] = {Fraction: "number", int: "number", bool: "flag"}
    return kinds.get(kind, "word")


def words_of(signal: str) -> tuple[str, ...]:
    """Return the values that a word signal can have; none are known for a user's metric."""
    kind = signal_types().get(signal)
    words = Problem if kind is Anomaly else kind
    return tuple(one.value for one in words) if words is not None else ()


@cache
def signal_types() -> dict[str, Any]:
    """Return the type of each signal and limit, without None."""
    hints = {**get_type_hints(Signals), **get_type_hints(Limits)}
    return {name: bare(hint) for name, hint in hints.items() if name not in {"limits", "custom"}}


def bare(hint: Any) -> Any:
    """Return a type without its None."""
    if get_origin(hint) in {Union, UnionType}:
        return next(one for one in get_args(hint) if one is not type(None))
    return hint


def word(file: YamlFile, place: Place, value: Any, kind: type[Word]) -> Word:
    """Read one of the words of an enumeration."""
    valid = [one.value for one in kind]
    if value not in valid:
        raise file.error(place, f"unknown {place[-1]} '{value}'.{nearest(str(value), valid)}")
    return kind(value)


EXPECTED = {dict: "keys and values", list: "a list", str: "a text", bool: "true or false"}


def expect(file: YamlFile, place: Place, value: Any, kind: type[Any]) -> Any:
    """Return the value if it is of the kind."""
    if not isinstance(value, kind):
        raise file.error(place, f"expected {EXPECTED[kind]}, came {value!r}.")
    return value
