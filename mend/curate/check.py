"""Compile a pipeline and try it on no events: a bad expression is found before anything starts."""

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from mend.contracts.mapping import Mapping
from mend.contracts.rules import RuleSet
from mend.curate.curator import Curator
from mend.curate.decode import decode_json
from mend.curate.plan import RESERVED, Plan, make_plan
from mend.runtime.errors import UserError
from mend.runtime.pipeline_file import Pipeline
from mend.runtime.yaml_file import load_yaml

RECORDS = pa.schema(
    [
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
    ]
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Uncompiled = (duckdb.Error, pa.ArrowException)


def checked_plan(pipeline: Pipeline, rules: RuleSet, mapping: Mapping | None = None) -> Plan:
    """Return the plan; an expression that does not compile is a UserError with file, line and the database's hint."""
    check_free_names(pipeline)
    plan = make_plan(pipeline, rules, mapping)
    try:
        try_plan(plan)
    except Uncompiled as error:
        raise located(pipeline, rules, mapping, error) from error
    return plan


def check_free_names(pipeline: Pipeline) -> None:
    """Refuse fields and derived columns that have the name of a column of Mend's own."""
    file = load_yaml(pipeline.path)
    for name in pipeline.schema.names:
        if name.lower() in RESERVED:
            hint = f"Give it another name in the schema and read it with mapping: {{other_name: {name}}}."
            raise file.error(("schema",), f"schema: the field '{name}' has the name of a column of Mend's own. {hint}")
    for name in pipeline.derived:
        if name.lower() in RESERVED:
            raise file.error(("derived", name), f"derived.{name}: the name is taken by a column of Mend's own.")


def try_plan(plan: Plan) -> None:
    """Run the whole pass over an empty batch, and write what comes out."""
    curated = Curator(plan, decode_json, run_id="check", now=EPOCH).curate(RECORDS.empty_table())
    pq.write_table(curated.accepted, BytesIO())


def located(pipeline: Pipeline, rules: RuleSet, mapping: Mapping | None, error: Exception) -> UserError:
    """Find the first derived column, or else the first rule, with which the pass does not compile."""
    file = load_yaml(pipeline.path)
    columns = list(pipeline.derived)
    no_rules = replace(rules, rules=())
    for count, column in enumerate(columns, start=1):
        part = replace(pipeline, derived={name: pipeline.derived[name] for name in columns[:count]})
        problem = problem_of(part, no_rules, mapping)
        if problem:
            return file.error(("derived", column), f"derived.{column}: {problem}")
    for rule in rules.rules:
        problem = problem_of(pipeline, replace(rules, rules=(rule,)), mapping)
        if problem:
            return UserError(f"{pipeline.rules_path}: rule {rule.name}: {problem}")
    return file.error((), message(error))


def problem_of(pipeline: Pipeline, rules: RuleSet, mapping: Mapping | None) -> str | None:
    """Return why a part of a pipeline does not compile, None if it does."""
    try:
        try_plan(make_plan(pipeline, rules, mapping))
    except Uncompiled as error:
        return message(error)
    return None


def message(error: Exception) -> str:
    """Return the database's words without the query around them."""
    return " ".join(line.strip() for line in str(error).split("LINE")[0].splitlines() if line.strip())
