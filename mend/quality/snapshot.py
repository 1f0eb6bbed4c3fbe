"""The files that a run started with: kept beside its reports, so that its later steps judge it by the same words.

ops/runs/<run_id>/contract/pipeline/customers.yml   schema/customer_events.v1.avsc   rules/dq_rules.yml
"""

import shutil
from hashlib import sha256
from pathlib import Path

from mend.contracts.rules import RuleSet
from mend.quality.rules import load_rules
from mend.runtime.errors import UserError
from mend.runtime.files import write_atomic
from mend.runtime.pipeline_file import Pipeline, load_pipeline

PARTS = ("pipeline", "schema", "rules")


def contents(pipeline: Pipeline, rules: RuleSet) -> dict[str, tuple[str, bytes]]:
    """Return name and bytes of the three files, as they were when they were read."""
    found = (
        (pipeline.path.name, pipeline.content),
        (pipeline.schema_path.name, pipeline.schema_content),
        (pipeline.rules_path.name, rules.content),
    )
    return dict(zip(PARTS, found, strict=True))


def versions(pipeline: Pipeline, rules: RuleSet) -> dict[str, str]:
    """Return the SHA-256 of each of the three files."""
    return {part: sha256(content).hexdigest() for part, (_, content) in contents(pipeline, rules).items()}


def write_snapshot(folder: Path, pipeline: Pipeline, rules: RuleSet) -> None:
    """Keep the files; a run that is staged again keeps those of its last staging."""
    shutil.rmtree(folder, ignore_errors=True)
    for part, (name, content) in contents(pipeline, rules).items():
        write_atomic(folder / part / name, content)


def read_snapshot(folder: Path) -> tuple[Pipeline, RuleSet] | None:
    """Return the pipeline and the rules that a run started with, None for a run that kept none.

    Files that do not hold what was written there are a UserError: a run is not judged by words it never knew.
    """
    if not folder.exists():
        return None
    found = {part: sorted((folder / part).glob("[!.]*")) for part in PARTS}
    if any(len(files) != 1 for files in found.values()):
        raise UserError(f"{folder}: expected one file each in {', '.join(PARTS)}. Stage the run again.", exit_code=1)
    path, schema, rules = (found[part][0] for part in PARTS)
    pipeline = load_pipeline(path, schema=schema, rules=rules)
    return pipeline, load_rules(rules, pipeline=pipeline.name)
