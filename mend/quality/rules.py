"""A rules file (`dq_rules.yml`) → the typed rules that both engines are compiled from."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import orjson

from mend.contracts.rules import Rule, RuleSet, RuleSeverity, Thresholds
from mend.quality.arguments import MEANINGLESS, PARSERS, check_range
from mend.quality.located import Document, Node
from mend.quality.vocabulary import EXPECTATIONS, Term
from mend.runtime.nearest import nearest

SECTIONS = ("suite", "business_rules", "field_mappings", "validation_thresholds", "quality_dimensions")
GROUP = ("description", "expectations")
SEVERITIES: tuple[RuleSeverity, ...] = get_args(RuleSeverity)
Fields = dict[str, tuple[Node, Node]]


@dataclass(frozen=True, slots=True)
class _Written:
    """A rule and where it stands."""

    rule: Rule
    node: Node
    columns: tuple[Node, ...]

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1


def load_rules(path: Path, *, pipeline: str | None = None) -> RuleSet:
    """Read a rules file. Whatever is wrong in it is a UserError that names file, line and the nearest valid name.

    The suite is called as the file's `suite` says, else `<pipeline>_expectation_suite`, else after the file.
    """
    document = Document(path)
    sections = _sections(document)
    suite = f"{pipeline or path.stem}_expectation_suite"
    if "suite" in sections:
        suite = document.text(sections["suite"][1], "suite")
    rules = RuleSet(
        suite=suite,
        version="",
        rules=tuple(written.rule for written in _named(document, sections)),
        thresholds=_thresholds(document, sections),
        field_mappings=_mapping(document, sections, "field_mappings"),
        quality_dimensions=_mapping(document, sections, "quality_dimensions"),
        content=path.read_bytes(),
    )
    return replace(rules, version=_version(rules))


def check_columns(rules: RuleSet, columns: Iterable[str], path: Path) -> None:
    """Refuse a rule over a column that the rows do not have; the UserError names file, line and nearest column."""
    known = set(columns)
    unknown = {column for rule in rules.rules for column in rule.columns} - known
    if not unknown:
        return
    document = Document(path)
    for written in _named(document, _sections(document)):
        for column, node in zip(written.rule.columns, written.columns, strict=True):
            if column in unknown:
                document.fail(node, f"column '{column}' is not known.{nearest(column, known)}")


def _sections(document: Document) -> Fields:
    sections = document.fields(document.root(), "the rules file")
    document.known(sections, SECTIONS, "the rules file")
    if "business_rules" not in sections:
        document.fail(document.root(), "the section business_rules is missing.")
    return sections


def _expectations(document: Document, sections: Fields) -> Iterator[Node]:
    groups = document.fields(sections["business_rules"][1], "business_rules")
    for name, (_, group) in groups.items():
        fields = document.fields(group, f"the group '{name}'")
        document.known(fields, GROUP, f"the group '{name}'")
        if "expectations" not in fields:
            document.fail(group, f"the group '{name}' has no expectations.")
        yield from document.items(fields["expectations"][1], "expectations")


def _named(document: Document, sections: Fields) -> list[_Written]:
    """Return all rules, each with a name of its own; a rule that says the same as an earlier one is refused."""
    seen: dict[bytes, int] = {}
    names: dict[str, int] = {}
    rules = []
    for node in _expectations(document, sections):
        written = _written(document, node)
        content = _content(written.rule)
        if content in seen:
            document.fail(node, f"the rule {written.rule.name} stands already in line {seen[content]}.")
        seen[content] = written.line
        count = names[written.rule.name] = names.get(written.rule.name, 0) + 1
        name = written.rule.name if count == 1 else f"{written.rule.name}.{count}"
        rules.append(replace(written, rule=replace(written.rule, name=name)))
    if not rules:
        document.fail(sections["business_rules"][0], "business_rules holds no expectation: nothing would be checked.")
    return rules


def _written(document: Document, node: Node) -> _Written:
    fields = document.fields(node, "an expectation")
    if "expectation_type" not in fields:
        document.fail(node, "expectation_type is missing.")
    spelling = document.text(fields["expectation_type"][1], "expectation_type")
    kind = spelling.lower()  # before the library's first version, a pair's A and B were large letters
    if kind not in EXPECTATIONS:
        hint = nearest(kind, EXPECTATIONS)
        document.fail(fields["expectation_type"][1], f"expectation '{spelling}' is not known.{hint}")
    term = EXPECTATIONS[kind]
    where = term.columns
    document.known(fields, {"expectation_type", "severity", "meta", *where, *term.arguments}, kind)
    _present(document, node, fields, (*where, *sorted(term.required)))
    columns = tuple(document.text(fields[name][1], name) for name in where)
    arguments = _arguments(document, node, fields, kind)
    rule = Rule(
        name=_name(term, columns, arguments),
        expectation=kind,
        columns=columns,
        severity=_severity(document, fields, term),
        arguments=arguments,
        notes=_notes(document, fields),
    )
    return _Written(rule, node, tuple(fields[name][1] for name in where))


def _present(document: Document, node: Node, fields: Fields, names: Iterable[str]) -> None:
    for name in names:
        if name not in fields:
            document.fail(node, f"{name} is missing.")


def _arguments(document: Document, node: Node, fields: Fields, expectation: str) -> dict[str, Any]:
    term, arguments = EXPECTATIONS[expectation], {}
    for name in sorted(term.arguments & fields.keys()):
        value = fields[name][1]
        try:
            arguments[name] = PARSERS[name](document.value(value))
        except ValueError as error:
            document.fail(value, f"{name}: {error}.")
    if "min_value" in term.arguments:
        try:
            check_range(arguments, expectation)
        except ValueError as error:
            document.fail(node, f"{error}.")
    return {name: value for name, value in arguments.items() if name not in MEANINGLESS}


def _severity(document: Document, fields: Fields, term: Term) -> RuleSeverity:
    if "severity" not in fields:
        return term.severity
    value = document.value(fields["severity"][1])
    if value not in SEVERITIES:
        document.fail(fields["severity"][1], f"severity '{value}' is not known.{nearest(str(value), SEVERITIES)}")
    severity: RuleSeverity = value
    return severity


def _notes(document: Document, fields: Fields) -> str:
    if "meta" not in fields:
        return ""
    notes = document.fields(fields["meta"][1], "meta").get("notes")
    if notes is None:
        return ""
    value = document.value(notes[1])
    content = value.get("content", "") if isinstance(value, dict) else value
    return "\n".join(map(str, content)) if isinstance(content, list) else str(content)


def _name(term: Term, columns: tuple[str, ...], arguments: dict[str, Any]) -> str:
    if not columns:
        return f"run.{term.word}"
    if len(columns) > 1:
        return f"{columns[0]}.{'at_least' if arguments.get('or_equal') else term.word}.{columns[1]}"
    return f"{columns[0]}.{term.word}"


def _thresholds(document: Document, sections: Fields) -> Thresholds:
    if "validation_thresholds" not in sections:
        return Thresholds()
    fields = document.fields(sections["validation_thresholds"][1], "validation_thresholds")
    document.known(fields, Thresholds.__dataclass_fields__, "validation_thresholds")
    return Thresholds(**{name: _share(document, name, value) for name, (_, value) in fields.items()})


def _share(document: Document, name: str, node: Node) -> float:
    value = document.value(node)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        document.fail(node, f"{name} is a share from 0 to 1, not {value!r}.")
    return float(value)


def _mapping(document: Document, sections: Fields, name: str) -> dict[str, Any]:
    if name not in sections:
        return {}
    node = sections[name][1]
    fields = document.fields(node, name)
    if name == "field_mappings":
        return {key: document.text(value, key) for key, (_, value) in fields.items()}
    return {key: document.value(value) for key, (_, value) in fields.items()}


def _content(rule: Rule) -> bytes:
    """Return what the rule checks: neither its name, its severity nor its notes."""
    return orjson.dumps([rule.expectation, rule.columns, rule.arguments], option=orjson.OPT_SORT_KEYS)


def _version(rules: RuleSet) -> str:
    content = [
        rules.suite,
        [[rule.name, rule.severity, rule.expectation, rule.columns, rule.arguments] for rule in rules.rules],
        rules.thresholds,
        rules.field_mappings,
        rules.quality_dimensions,
    ]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
