"""A pipeline file compiled to the DuckDB queries of one pass."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson
import pyarrow as pa

from mend.contracts.mapping import MappedField, Mapping
from mend.contracts.rules import Rule, RuleSet
from mend.contracts.schema import Field, FieldType
from mend.curate import sql
from mend.curate.direct import TEXTS, direct_event, direct_shape, direct_type
from mend.curate.fields import came_sql, contract_fields, field_sql, micros, reason_sql, structure_of, value_reasons
from mend.curate.predicates import failure_predicate
from mend.curate.shapes import Shape
from mend.curate.usual import form_sql, usual_forms
from mend.curate.verbatim import candidate_sql, same_sql, usual_pieces
from mend.runtime.pipeline_file import KAFKA_TIME, Pipeline

KAFKA_COLUMNS = ("kafka_key", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp")
NOW = "processing_timestamp"
ADDED_KINDS = {
    "VARCHAR": ("string", "VARCHAR"),
    "BIGINT": ("long", "BIGINT"),
    "UBIGINT": ("long", "BIGINT"),
    "DOUBLE": ("double", "DOUBLE"),
    "BOOLEAN": ("boolean", "BOOLEAN"),
    "OBJECT": ("record", "VARCHAR"),
    "ARRAY": ("array", "VARCHAR"),
}
"""Kind and structure of a field that entered by a remap, by the type that was seen; nested values stay JSON text."""
SYSTEM_COLUMNS = (
    NOW, "schema_drift_detected", "is_late_arrival", "dq_passed", "dq_failed_rules", "rescued", "run_id",
    "mapping_version",
)  # fmt: skip
BESIDE = frozenset({*KAFKA_COLUMNS, NOW, "run_id", "mapping_version"})
"""Columns that no query gives back, because they are at hand."""
RESERVED = frozenset({
    *KAFKA_COLUMNS, *SYSTEM_COLUMNS, "run", "event_date", "row", "payload", "shape", "event", "clean", "fits", "place",
    "drifted", "present", "present_count", "defaulted", "shape_reasons", "reasons", "event_micros", "key_high",
    "key_low", "_key", "_warned", "same",
})  # fmt: skip
"""Names that no field and no derived column can have: columns that Mend adds, folders of files, the pass's own."""
IS_OBJECT = "json_valid(payload) AND starts_with(ltrim(payload, ' \t\r\n'), '{')"
"""What is no JSON object is no event; the pass leaves it out."""
PLAIN = frozenset({"VARCHAR", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "BOOLEAN"})
"""Structures of values that are of the right JSON type when they are written as they were read."""
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that one pass needs. `columns` are the published columns in order.

    `pipeline` reads fields from where the mapping says, `source_pipeline` is the pipeline as its file has it.

    `decided` are the unknown fields that entered the mapping but can be no column, and those that a person declined:
    they stay among the rescued.
    """

    pipeline: Pipeline
    rules: RuleSet
    mapping_version: int
    fields: tuple[Field, ...]
    sources: tuple[str, ...]
    columns: tuple[str, ...]
    judged_sql: str
    reasons_sql: str
    unseen_sql: str
    parts: "Pass"
    source_pipeline: Pipeline
    decided: frozenset[str] = frozenset()
    direct: pa.StructType | None = None


def make_plan(pipeline: Pipeline, rules: RuleSet, mapping: Mapping | None = None) -> Plan:
    """Compile a pipeline with its rules and its newest mapping (fields that entered by a remap)."""
    source_pipeline = pipeline
    pipeline = with_renames(pipeline, mapping) if mapping else pipeline
    added = added_fields(pipeline, mapping) if mapping else ()
    fields = (*contract_fields(pipeline, rules), *(as_field(one) for one in added))
    sources = (*(pipeline.source(one.name) for one in pipeline.schema.fields), *(one.source for one in added))
    columns = published_columns(pipeline, fields)
    parts = Pass(pipeline=pipeline, rules=rules, fields=fields, sources=sources, columns=columns)
    return Plan(
        pipeline=pipeline,
        source_pipeline=source_pipeline,
        rules=rules,
        mapping_version=mapping.version if mapping else 1,
        fields=fields,
        sources=sources,
        columns=columns,
        judged_sql=parts.judged(),
        reasons_sql=parts.reasons(),
        direct=parts.direct,
        unseen_sql=f"SELECT {parts.shape()}, first({types_sql(sources)}), first(json_keys(payload)) "
        f"FROM {parts.texts} WHERE {IS_OBJECT} GROUP BY 1 ORDER BY count(*) DESC, 1",
        parts=parts,
        decided=decided_fields(mapping, added) if mapping else frozenset(),
    )


def with_renames(pipeline: Pipeline, mapping: Mapping) -> Pipeline:
    """Return the pipeline with its fields read from where the mapping says that they are now.

    A field that the pipeline file reads from elsewhere since the rename is the file's: it is the newer word.
    """
    renamed = {
        one.name: one.source
        for one in mapping.fields
        if one.renamed_from == pipeline.source(one.name) and not one.added
    }
    return replace(pipeline, mapping=pipeline.mapping | renamed) if renamed else pipeline


def added_fields(pipeline: Pipeline, mapping: Mapping) -> tuple[MappedField, ...]:
    """Return the fields that entered by a remap; one whose name is no free column name stays among the rescued."""
    taken = {*RESERVED, *(name.lower() for name in (*pipeline.schema.names, *pipeline.derived))}
    names = [one.name.lower() for one in mapping.fields]
    return tuple(
        one
        for index, one in enumerate(mapping.fields)
        if one.added
        and PLAIN_NAME.fullmatch(one.name)
        and names[index] not in taken
        and names[index] not in names[:index]
    )


def decided_fields(mapping: Mapping, added: tuple[MappedField, ...]) -> frozenset[str]:
    """Return the unknown fields that are no drift any more: they are declined, or can be no column."""
    return frozenset((*mapping.declined, *(one.source for one in mapping.fields if one.added and one not in added)))


def as_field(mapped: MappedField) -> Field:
    """Return the contract field of a mapped one; nested values are kept as JSON text."""
    kind, structure = ADDED_KINDS.get(mapped.type, ("any", "VARCHAR"))
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
        *SYSTEM_COLUMNS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """The parts of a pipeline from which the queries of the pass are written."""

    pipeline: Pipeline
    rules: RuleSet
    fields: tuple[Field, ...]
    sources: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def plain(self) -> bool:
        """Whether every value is of the right type when the decoded values, written again, are the text."""
        return self.direct is None and all(
            isinstance(one.type.structure, str) and one.type.structure in PLAIN for one in self.fields
        )

    def usual(self, found: Sequence[Shape]) -> tuple[Shape, ...]:
        """Return the shapes, the most frequent first, whose events a quick look can judge."""
        if self.direct is not None:
            return ()
        forms = usual_forms(found)
        return forms[:1] if self.plain else forms

    def judged(self) -> str:
        """Return the query over `events` and `shapes` that gives every event its columns, and whether it fits.

        The events must be decodable. `clean` is NULL for an event whose shape is not in `shapes` yet.
        """
        return self.query(f"{self.decoded()}, {self.typed('shapes')}")

    def quick(self, usual: Sequence[Shape]) -> str:
        """Return the same query for a stream of which most events have the usual shapes.

        An event fits where the decoded values, written as JSON again, are its text to the byte: then it has the keys
        and types of the shape and nothing else. Whether other events fit is not said.
        """
        if not self.plain:
            return self.query(self.typed_forms(usual), "shape IS NOT NULL")
        shape = usual[0]
        structures = {source: str(one.type.structure) for one, source in zip(self.fields, self.sources, strict=True)}
        pieces = usual_pieces(shape, structures, dict(zip(self.sources, shape.types, strict=True)))
        return self.query(
            f"""decoded AS (
  SELECT *, {shape.hash}::UBIGINT AS shape, TRY({self.event(candidate_sql(pieces))}) AS event FROM events
), {self.typed_as(shape, same_sql(pieces, shape))}""",
            "same",
        )

    def typed_forms(self, forms: Sequence[Shape]) -> str:
        """Name the contract's fields of events that may be of several shapes; the shape of others is NULL."""
        present = " + ".join(f"(event.{sql.name(source)} IS NOT NULL)::INTEGER" for source in self.sources)
        defaulted = " ".join(f"WHEN {one.hash} THEN {sql.texts(one.defaulted)}" for one in forms)
        return f"""decoded AS (
  SELECT *, {form_sql(forms, self.fields, self.sources)} AS shape
  FROM (SELECT *, {self.event()} AS event FROM events WHERE {IS_OBJECT})
), typed AS (
  SELECT row, payload, shape, TRUE AS clean, {present} + len(defaulted) AS present_count,
    FALSE AS schema_drift_detected, {", ".join(KAFKA_COLUMNS)},
    {self.values()},
    getvariable('now') AS {NOW}
  FROM (SELECT *, CASE shape {defaulted} END AS defaulted FROM decoded)
)"""

    def query(self, typed: str, condition: str = "clean") -> str:
        """Return the query of the pass over typed events; they fit under a condition and the contract's."""
        rules = {severity: flags(self.rules, severity) for severity in ("contract", "quality", "warn")}
        fitting = " AND ".join((condition, f"present_count = {count_of_values(self.fields)}", *no_failure(rules)))
        return f"""
WITH {typed}, {self.derived()}, flagged AS (
  SELECT *{flag_columns(rules)} FROM derived
), judged AS (
  SELECT *,
    {failed_list("quality", rules)} AS dq_failed_rules,
    {failed_list("warn", rules)} AS _warned,
    {fitting} AS fits,
    epoch_us({NOW}) - event_micros > {int(self.pipeline.lateness.total_seconds() * 1_000_000)} AS is_late_arrival,
    make_timestamp(event_micros)::DATE AS event_date,
    CASE WHEN schema_drift_detected THEN {rescued_sql(self.sources)} END AS rescued,
    dq_failed_rules IS NULL AS dq_passed,
    {key_sql(self.pipeline.key)} AS _key
  FROM flagged
)
SELECT {", ".join(sql.name(column) for column in self.columns if column not in BESIDE)},
  event_date, row, shape, clean, fits, {"_warned, " if rules["warn"] else ""}_key
FROM judged
"""

    def reasons(self) -> str:
        """Return the query over `events` (misfits only) and `shape_details` that says why they do not fit."""
        contract = flags(self.rules, "contract")
        return f"""
WITH {self.decoded(events=self.texts)}, {self.typed("shape_details")}, {self.derived()}
SELECT row, list_concat(shape_reasons, list_filter([
    {value_reasons(self.fields, self.sources)},
    {contract_reasons(contract, self.fields, self.sources)}
  ], lambda reason: reason IS NOT NULL)) AS reasons
FROM derived ORDER BY row
"""

    @property
    def direct(self) -> pa.StructType | None:
        """The columns in which events may come decoded."""
        return direct_type(self.fields, self.sources) if self.pipeline.format == "avro" else None

    def shape(self) -> str:
        """Return the digest of an event's shape."""
        found = shape_sql(self.sources)
        return found if self.direct is None else direct_shape(found, self.sources)

    def event(self, payload: str = "payload") -> str:
        """Return the decoded payload."""
        found = f"json_transform({payload}, {sql.literal(structure_of(self.fields, self.sources))})"
        return found if self.direct is None else direct_event(found, self.fields, self.sources)

    @property
    def texts(self) -> str:
        """The events, with a text for each."""
        return "events" if self.direct is None else TEXTS

    def decoded(self, events: str = "events") -> str:
        """Decode the payload of what is a JSON object, and find its shape."""
        return f"""decoded AS (
  SELECT *, {self.shape()} AS shape, {self.event()} AS event FROM {events}
)"""

    def typed(self, shapes: str) -> str:
        """Name the contract's fields, beside what is known of the event's shape."""
        known = {"shapes": "clean, present_count, drifted AS schema_drift_detected",
                 "shape_details": "shape_reasons, present"}[shapes]  # fmt: skip
        return f"""typed AS (
  SELECT row, payload, shape, {known}, {", ".join(KAFKA_COLUMNS)},
    {self.values()},
    getvariable('now') AS {NOW}
  FROM decoded LEFT JOIN {shapes} USING (shape)
)"""

    def typed_as(self, shape: Shape, same: str) -> str:
        """Name the contract's fields of events that may be of one shape; `same` says which are."""
        return f"""typed AS (
  SELECT row, payload, shape, TRUE AS clean, {len(shape.present)} AS present_count, FALSE AS schema_drift_detected,
    {", ".join(KAFKA_COLUMNS)},
    {self.values()},
    getvariable('now') AS {NOW}, {same} AS same
  FROM (SELECT *, {sql.texts(shape.defaulted)} AS defaulted FROM decoded)
)"""

    def values(self) -> str:
        """Return the contract's fields as columns."""
        pairs = zip(self.fields, self.sources, strict=True)
        return ",\n    ".join(field_sql(field, source) for field, source in pairs)

    def derived(self) -> str:
        """Add the derived columns; one that cannot be computed for an event is NULL there."""
        texts = [f"TRY({text}) AS {sql.name(column)}" for column, text in self.pipeline.derived.items()]
        return f"""derived AS (
  SELECT *,
    {", ".join((*texts, f"{self.event_micros()} AS event_micros"))}
  FROM typed
)"""

    def event_micros(self) -> str:
        """Microseconds of the event time: a field's, or Kafka's own."""
        if self.pipeline.event_time == KAFKA_TIME:
            return f"epoch_us({KAFKA_TIME})"
        return micros(next(one for one in self.fields if one.name == self.pipeline.event_time))


def shape_sql(sources: tuple[str, ...]) -> str:
    """Return the digest of an event's keys and of the JSON types of its contract fields."""
    return f"hash({types_sql(sources)}, json_keys(payload))"


def types_sql(sources: tuple[str, ...]) -> str:
    """Return the JSON types of the contract fields, NULL for a missing one."""
    return f"json_type(payload, [{', '.join(sql.json_pointer(source) for source in sources)}])"


def contract_reasons(contract: list[tuple[Rule, str]], fields: tuple[Field, ...], sources: tuple[str, ...]) -> str:
    """Reasons of row rules that reject. A derived column has no JSON type, so its own is told."""
    came = {field.name: came_sql(source) for field, source in zip(fields, sources, strict=True)}
    return (
        ",\n        ".join(
            f"CASE WHEN {predicate} THEN "
            + reason_sql(rule.name, column, asked(rule), came.get(column, f"typeof({sql.name(column)})"))
            + " END"
            for rule, predicate in contract
            for column in [rule.columns[0]]
        )
        or "NULL"
    )


LONGEST_EXPECTED = 200


def asked(rule: Rule) -> str:
    """Write down what a rule expects, with its bounds."""
    others = {"than": rule.columns[1]} if len(rule.columns) > 1 else {}
    arguments = ", ".join(f"{key}={orjson.dumps(value).decode()}" for key, value in (others | rule.arguments).items())
    return f"{rule.expectation}({arguments})"[:LONGEST_EXPECTED]


def flags(rules: RuleSet, severity: str) -> list[tuple[Rule, str]]:
    """Return the row predicates of a severity; each is TRUE exactly where the row fails."""
    pairs = [
        (rule, failure_predicate(rule, sql.name, now_sql=NOW)) for rule in rules.rules if rule.severity == severity
    ]
    return [(rule, predicate) for rule, predicate in pairs if predicate is not None]


Flags = dict[str, list[tuple[Rule, str]]]


def flag(severity: str, index: int) -> str:
    """Return the column that says whether an event fails a rule; no field can have a name with a blank."""
    return sql.name(f"{severity} {index}")


def flag_columns(rules: Flags) -> str:
    """Evaluate each rule once."""
    return "".join(
        f",\n    {predicate} AS {flag(severity, index)}"
        for severity, many in rules.items()
        for index, (_, predicate) in enumerate(many)
    )


def no_failure(rules: Flags) -> list[str]:
    """Return the conditions under which no rule of the contract is broken."""
    return [f"NOT {flag('contract', index)}" for index in range(len(rules["contract"]))]


def count_of_values(fields: tuple[Field, ...]) -> str:
    """Count the contract's fields that have a value."""
    return "(" + " + ".join(f"({sql.name(field.name)} IS NOT NULL)::INTEGER" for field in fields) + ")"


def failed_list(severity: str, rules: Flags) -> str:
    """Names of the failed rules, NULL where none failed."""
    if not rules[severity]:
        return "NULL::VARCHAR[]"
    failed = [flag(severity, index) for index in range(len(rules[severity]))]
    pairs = zip(failed, rules[severity], strict=True)
    names = ", ".join(f"CASE WHEN {column} THEN {sql.literal(rule.name)} END" for column, (rule, _) in pairs)
    return f"CASE WHEN {' OR '.join(failed)} THEN list_filter([{names}], lambda rule: rule IS NOT NULL) END"


def rescued_sql(sources: tuple[str, ...]) -> str:
    """Unknown fields as JSON text: the event without the fields that the contract knows."""
    return f"json_merge_patch(payload, {sql.literal(orjson.dumps(dict.fromkeys(sources)).decode())})"


def key_sql(key: tuple[str, ...]) -> str:
    """128-bit digest of the key; lengths keep ('ab','c') apart from ('a','bc')."""
    parts = ", ".join(f"length({sql.name(one)}::VARCHAR), ':', {sql.name(one)}" for one in key)
    return f"md5_number(concat({parts}))"
