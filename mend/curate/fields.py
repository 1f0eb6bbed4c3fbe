"""SQL that decodes the contract's fields: one value each, NULL where the value that came is none of its type."""

from dataclasses import replace

import orjson

from mend.contracts.field_types import FIRST_MICROS, LAST_MICROS, RANGES, SHORT_POWER, Field, FieldType
from mend.contracts.rules import RuleSet
from mend.curate import sql
from mend.curate.shapes import MISSING
from mend.runtime.pipeline_file import Pipeline

MICROS = {"timestamp-millis": 1000, "timestamp-micros": 1}
"""Microseconds per unit of a logical time type."""
ISO_TIME = "ISO 8601"
"""Logical type of an event time that comes as text."""
EXACT = "DECIMAL(1,0)"
"""A member of this type in a structure makes DuckDB keep the text of numbers, with all their digits."""


def contract_fields(pipeline: Pipeline, rules: RuleSet) -> tuple[Field, ...]:
    """Return the contract's fields as the pipeline and its rules want them read.

    Symbols that a rule lists as well are the rule's business: its severity says what becomes of another symbol.
    """
    listed = {rule.columns[0] for rule in rules.rules if rule.expectation == "expect_column_values_to_be_in_set"}
    fields = (with_time(one, pipeline) for one in pipeline.schema.fields)
    return tuple(
        replace(one, type=replace(one.type, symbols=())) if one.type.symbols and one.name in listed else one
        for one in fields
    )


def with_time(field: Field, pipeline: Pipeline) -> Field:
    """Mark an event time that comes as text: a text that is no time is no value."""
    if field.name != pipeline.event_time or field.type.kind != "string":
        return field
    return replace(field, type=replace(field.type, logical=ISO_TIME))


def structure_of(fields: tuple[Field, ...], sources: tuple[str, ...], side: str = "structure") -> str:
    """Return the structure that json_transform decodes to; `side` "raw" gives each field's JSON text."""
    parts = {
        source: "JSON" if side == "raw" else field.type.structure for field, source in zip(fields, sources, strict=True)
    }
    exact = {exact_name(sources): EXACT} if side == "raw" or any(field.type.exact for field in fields) else {}
    return orjson.dumps(parts | exact).decode()


def exact_name(sources: tuple[str, ...]) -> str:
    """Return a name that no field is read from."""
    return max(("_", *sources), key=len) + "_"


def field_sql(field: Field, source: str) -> str:
    """Decode one field; a missing field takes the contract's default, a null stays a null.

    A value that is none of its type (a time that no calendar shows, an unknown symbol, too many digits) is NULL.
    """
    value = f"event.{sql.name(source)}"
    if field.has_default and field.default is not None:
        absent = f"{value} IS NULL AND list_contains(defaulted, {sql.literal(field.name)})"
        value = f"CASE WHEN {absent} THEN {default_sql(field)} ELSE {value} END"
    if field.type.logical == ISO_TIME:
        value = f"CASE WHEN {iso_micros(value)} BETWEEN {FIRST_MICROS} AND {LAST_MICROS} THEN {value} END"
    elif not field.type.nested and (holds := holds_sql(value, field.type)):
        value = f"CASE WHEN {holds} THEN {published_sql(value, field.type)} END"
    else:
        value = published_sql(value, field.type)
    return f"{value} AS {sql.name(field.name)}"


def published_sql(value: str, found: FieldType) -> str:
    """Give a decoded value the type of its column."""
    return value if found.column_type == found.structure else f"TRY_CAST({value} AS {found.column_type})"


def holds_sql(value: str, found: FieldType, depth: int = 0) -> str | None:
    """Return the condition that a decoded value, and all of its parts, are of their types; None: all of them are."""
    if found.scale:
        return decimal_holds(value, found)
    if found.branches:
        return "(" + " OR ".join(branch_holds(f"{value}::VARCHAR", one) for one in found.branches) + ")"
    if found.fields:
        members = [part_holds(f"{value}.{sql.name(one.name)}", one, depth) for one in found.fields]
        return " AND ".join(one for one in members if one) or None
    if found.items:
        one = f"x{depth}"
        inner = part_holds(one, found.items, depth + 1)
        items = value if found.kind == "array" else f"map_values({value})"
        return inner and f"coalesce(list_bool_and(list_transform({items}, lambda {one}: {inner})), TRUE)"
    return plain_holds(value, found)


def branch_holds(text: str, found: FieldType) -> str:
    """Return a condition that is true only for JSON text of a branch; FALSE where SQL cannot say it in short."""
    if found.kind == "string" and found.pattern is None:
        return f"starts_with({text}, '\"')"
    if found.kind == "boolean":
        return f"{text} IN ('true', 'false')"
    if found.kind in RANGES and not found.limits:
        whole = f"regexp_full_match({text}, '-?[0-9]+')"
        return f"({whole} AND TRY_CAST({text} AS {found.structure}) IS NOT NULL)"
    return "FALSE"


def part_holds(value: str, part: Field, depth: int) -> str | None:
    """Return the condition for a member or an item, which only a nullable one fulfils by a null."""
    inner = holds_sql(value, part.type, depth)
    if part.nullable:
        return inner and f"({value} IS NULL OR {inner})"
    return f"({value} IS NOT NULL AND {inner})" if inner else f"{value} IS NOT NULL"


def plain_holds(value: str, found: FieldType) -> str | None:
    """Return the condition for a value without parts."""
    if found.limits:
        return f"{value} BETWEEN {found.limits[0]} AND {found.limits[1]}"
    if found.pattern is not None:
        return f"regexp_full_match({value}, {sql.literal(found.pattern)})"
    if found.symbols:
        return f"{value} IN ({', '.join(map(sql.literal, found.symbols))})"
    return f"isfinite({value})" if found.kind in {"float", "double"} else None


def decimal_holds(value: str, found: FieldType) -> str:
    """Return the condition for JSON text of a decimal, in quotes or not; one with an exponent must be short: exact."""
    text = value if found.structure == "VARCHAR" else f"trim({value}::VARCHAR, '\"')"
    plain = f"regexp_full_match({text}, {sql.literal(found.pattern)})"
    if found.structure == "VARCHAR":
        return plain
    power = f"regexp_full_match({text}, {sql.literal(SHORT_POWER)})"
    same = f"TRY_CAST({text} AS {found.column_type})::VARCHAR::DOUBLE = TRY_CAST({text} AS DOUBLE)"
    return f"({plain} OR ({power} AND {same}))"


def default_sql(field: Field) -> str:
    """Write the contract's default."""
    if field.type.structure == "JSON":
        return f"{sql.literal(orjson.dumps(field.default).decode())}::JSON"
    if not field.type.nested:
        return sql.literal(field.default)
    structure = orjson.dumps({"it": field.type.structure} | ({"_": EXACT} if field.type.exact else {})).decode()
    text = orjson.dumps({"it": field.default}).decode()
    return f"json_transform({sql.literal(text)}, {sql.literal(structure)}).it"


def iso_micros(value: str) -> str:
    """Microseconds of a time in text; without a zone it is UTC."""
    return f"epoch_us(TRY_CAST({value} AS TIMESTAMPTZ))"


def micros(field: Field) -> str:
    """Microseconds of the event time."""
    unit = MICROS.get(field.type.logical or "")
    if unit is None:
        return iso_micros(sql.name(field.name))
    return f"{sql.name(field.name)} * {unit}"


def value_reasons(fields: tuple[Field, ...], sources: tuple[str, ...]) -> str:
    """Reasons of fields whose JSON type fits while their value does not."""
    return ",\n        ".join(
        f"CASE WHEN list_contains(present, {sql.literal(field.name)}) AND {sql.name(field.name)} IS NULL THEN "
        + reason_sql(field.type.misfit, field.name, field.type.label, came_sql(source))
        + " END"
        for field, source in zip(fields, sources, strict=True)
    )


def came_sql(source: str) -> str:
    """Return the JSON type that came in a field; a reason never shows the value, which may be personal data."""
    return f"coalesce(json_type(payload, {sql.json_pointer(source)}), '{MISSING}')"


def reason_sql(rule: str, column: str, expected: str, found_sql: str) -> str:
    """Write a reason as a struct."""
    parts = {"rule": rule, "column": column, "expected": expected}
    literals = [f"'{key}': {sql.literal(value)}" for key, value in parts.items()]
    return "{" + ", ".join([*literals, f"'found': {found_sql}"]) + "}"
