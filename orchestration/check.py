"""Check everything a pipeline is made of, before anything starts."""

from pathlib import Path

from mend.curate.check import checked_plan
from mend.curate.plan import Plan
from mend.quality.rules import check_columns, load_rules
from mend.runtime.pipeline_file import load_pipeline


def check_pipeline(path: Path) -> Plan:
    """Return the compiled plan of a pipeline file; everything wrong with its files is a UserError that says where."""
    pipeline = load_pipeline(path)
    rules = load_rules(pipeline.rules_path, pipeline=pipeline.name)
    plan = checked_plan(pipeline, rules)
    check_columns(rules, plan.columns, pipeline.rules_path)
    return plan
