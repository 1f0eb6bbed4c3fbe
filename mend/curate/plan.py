"""A pipeline file compiled to the DuckDB queries of one pass."""

from dataclasses import dataclass

import orjson

from mend.contracts.mapping import MappedField, Mapping
from mend.contracts.rules import Rule, RuleSet
from mend.contracts.schema import Field, FieldType
from mend.curate import sql
from mend.curate.predicates import failure_predicate
from mend.runtime.pipeline_file import Pipeline

KAFKA_COLUMNS = ("kafka_key", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp")
NOW = "processing_timestamp"
EXTREMES = {"timestamp-millis": 1000, "timestamp-micros": 1}
"""Microseconds per unit of a logical time type."""
FIRST_MICROS, LAST_MICROS = -62_135_596_800_000_000, 253_402_300_799_999_999
"""Years 1 to 9999: what a TIMESTAMP and every reader of Parquet can show."""
ADDED_KINDS = {"VARCHAR": "string", "BIGINT": "long", "UBIGINT": "long", "DOUBLE": "double", "BOOLEAN": "boolean"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that one pass needs. `columns` are the published columns in order."""

    pipeline: Pipeline
    rules: RuleSet
    mapping_version: int
    fields: tuple[Field, ...]
    sources: tuple[str, ...]
    columns: tuple[str, ...]
    types_sql: str
    structure: str
    judged_sql: str


def make_plan(pipeline: Pipeline, rules: RuleSet, mapping: Mapping | None = None) -> Plan:
    """Compile a pipeline with its rules and its newest mapping (fields that entered by a remap)."""
    added = tuple(one for one in mapping.fields if one.added) if mapping else ()
    fields = (*pipeline.schema.fields, *(as_field(one) for one in added))
    sources = (*(pipeline.source(one.name) for one in pipeline.schema.fields), *(one.source for one in added))
    columns = published_columns(pipeline, fields)
    return Plan(
        pipeline=pipeline,
        rules=rules,
        mapping_version=mapping.version if mapping else 1,
        fields=fields,
        sources=sources,
        columns=columns,
        types_sql=f"json_type(payload, [{', '.join(sql.json_path(source) for source in sources)}])",
        structure=structure_of(fields, sources),
        judged_sql=judged_query(pipeline, rules, fields, sources, columns),
    )


def as_field(mapped: MappedField) -> Field:
    """Return the contract field of a mapped one; nested values are kept as JSON text."""
    kind = ADDED_KINDS.get(mapped.type, "string")
    structure = {"string": "VARCHAR", "long": "BIGINT", "double": "DOUBLE", "boolean": "BOOLEAN"}[kind]
    return Field(
        name=mapped.name,
        type=FieldType(kind=kind, logical=None, structure=structure),
        nullable=True,
        has_default=True,
    )


def published_columns(pipeline: Pipeline, fields: tuple[Field, ...]) -> tuple[str, ...]:
    """Return the published columns in order."""
    return (
        *KAFKA_COLUMNS,
        *(field.name for field in fields),
        *pipeline.derived,
        NOW,
        "schema_drift_detected",
        "is_late_arrival",
        "dq_passed",
        "dq_failed_rules",
        "rescued",
        "run_id",
        "mapping_version",
    )


def structure_of(fields: tuple[Field, ...], sources: tuple[str, ...]) -> str:
    """Return the structure that json_transform decodes to."""
    return orjson.dumps({source: field.type.structure for field, source in zip(fields, sources, strict=True)}).decode()


def judged_query(
    pipeline: Pipeline, rules: RuleSet, fields: tuple[Field, ...], sources: tuple[str, ...], columns: tuple[str, ...]
) -> str:
    """Return the query that gives every decoded event its columns, its failed rules and its reasons."""
    typed = ",\n    ".join(field_sql(field, source) for field, source in zip(fields, sources, strict=True))
    derived = ",\n    ".join(f"TRY({text}) AS {sql.name(column)}" for column, text in pipeline.derived.items())
    quality = flags(rules, "quality")
    contract = flags(rules, "contract")
    event_micros = micros(next(one for one in fields if one.name == pipeline.event_time))
    return f"""
WITH typed AS (
  SELECT row, unknown, shape_reasons, present, payload,
    {", ".join(KAFKA_COLUMNS)},
    {typed},
    getvariable('now') AS {NOW}
  FROM decoded JOIN shapes USING (shape)
), derived AS (
  SELECT *,
    {derived or "1 AS _none"}
  FROM typed
), judged AS (
  SELECT *,
    {failed_list(quality)} AS dq_failed_rules,
    {failed_list(flags(rules, "warn"))} AS _warned,
    CASE WHEN {all_fit(fields)} AND len(shape_reasons) = 0 AND NOT ({any_of(contract)}) THEN NULL
      ELSE list_concat(shape_reasons, list_filter([
        {value_reasons(fields)},
        {contract_reasons(contract)}
      ], lambda reason: reason IS NOT NULL)) END AS reasons,
    epoch_us({NOW}) - ({event_micros}) > {int(pipeline.lateness.total_seconds() * 1_000_000)} AS is_late_arrival,
    make_timestamp({event_micros})::DATE AS event_date,
    len(unknown) > 0 AS schema_drift_detected,
    CASE WHEN len(unknown) > 0 THEN {rescued_sql(sources)} END AS rescued,
    dq_failed_rules IS NULL AS dq_passed,
    getvariable('run_id') AS run_id,
    getvariable('mapping_version') AS mapping_version,
    {key_sql(pipeline.key)} AS _key
  FROM derived
)
SELECT {", ".join(sql.name(column) for column in columns)}, event_date, row, reasons, _warned, _key FROM judged
"""


def field_sql(field: Field, source: str) -> str:
    """Decode one field; a missing field takes the contract's default, a null stays a null."""
    value = f"event.{sql.name(source)}"
    if field.has_default and field.default is not None:
        absent = f"list_contains(defaulted, {sql.literal(field.name)})"
        value = f"CASE WHEN {absent} THEN {sql.literal(field.default)} ELSE {value} END"
    return f"{value} AS {sql.name(field.name)}"


def all_fit(fields: tuple[Field, ...]) -> str:
    """Every field that carries a value decoded to one (a number out of range, a time beyond 9999 does not)."""
    return f"len(present) = {' + '.join(f'({fits(field)})::INTEGER' for field in fields)}"


def fits(field: Field) -> str:
    """Whether the decoded value of a field is there and showable."""
    column = sql.name(field.name)
    if field.type.logical in EXTREMES:
        return f"coalesce({micros_checked(field)} BETWEEN {FIRST_MICROS} AND {LAST_MICROS}, FALSE)"
    if field.type.kind in {"float", "double"}:
        return f"coalesce(isfinite({column}), FALSE)"
    return f"{column} IS NOT NULL"


def micros_checked(field: Field) -> str:
    """Microseconds of a time field in a width that cannot overflow."""
    return f"{sql.name(field.name)}::HUGEINT * {EXTREMES[field.type.logical or '']}"


def micros(field: Field) -> str:
    """Microseconds of the event time; a value that no calendar shows counts as none."""
    unit = EXTREMES.get(field.type.logical or "")
    if unit is None:
        return f"epoch_us(TRY_CAST({sql.name(field.name)} AS TIMESTAMP))"
    return f"CASE WHEN {fits(field)} THEN {sql.name(field.name)} * {unit} END"


def value_reasons(fields: tuple[Field, ...]) -> str:
    """Reasons of fields whose JSON type fits while their value does not."""
    return ",\n        ".join(
        f"CASE WHEN list_contains(present, {sql.literal(field.name)}) AND NOT ({fits(field)}) THEN "
        + reason_sql("range", field.name, field.type.logical or field.type.kind, "out of range")
        + " END"
        for field in fields
    )


def contract_reasons(contract: list[tuple[Rule, str]]) -> str:
    """Reasons of row rules that reject."""
    return (
        ",\n        ".join(
            f"CASE WHEN {predicate} THEN "
            + reason_sql(rule.name, rule.columns[0], rule.expectation, "fails the rule")
            + " END"
            for rule, predicate in contract
        )
        or "NULL"
    )


def reason_sql(rule: str, column: str, expected: str, found: str) -> str:
    """Write a reason as a struct."""
    parts = {"rule": rule, "column": column, "expected": expected, "found": found}
    return "{" + ", ".join(f"'{key}': {sql.literal(value)}" for key, value in parts.items()) + "}"


def flags(rules: RuleSet, severity: str) -> list[tuple[Rule, str]]:
    """Return the row predicates of a severity; each is TRUE exactly where the row fails."""
    pairs = [
        (rule, failure_predicate(rule, sql.name, now_sql=NOW)) for rule in rules.rules if rule.severity == severity
    ]
    return [(rule, predicate) for rule, predicate in pairs if predicate is not None]


def any_of(predicates: list[tuple[Rule, str]]) -> str:
    """Whether any predicate holds."""
    return " OR ".join(f"({predicate})" for _, predicate in predicates) or "FALSE"


def failed_list(predicates: list[tuple[Rule, str]]) -> str:
    """Names of the failed rules, NULL where none failed."""
    if not predicates:
        return "NULL::VARCHAR[]"
    names = ", ".join(f"CASE WHEN {predicate} THEN {sql.literal(rule.name)} END" for rule, predicate in predicates)
    return f"CASE WHEN {any_of(predicates)} THEN list_filter([{names}], lambda rule: rule IS NOT NULL) END"


def rescued_sql(sources: tuple[str, ...]) -> str:
    """Unknown fields as JSON text: the event without the fields that the contract knows."""
    return f"json_merge_patch(payload, {sql.literal(orjson.dumps(dict.fromkeys(sources)).decode())})"


def key_sql(key: tuple[str, ...]) -> str:
    """128-bit digest of the key; lengths keep ('ab','c') apart from ('a','bc')."""
    parts = ", ".join(f"length({sql.name(one)}::VARCHAR), ':', {sql.name(one)}" for one in key)
    return f"md5_number(concat({parts}))"
