"""What a person writes on the command line, or into a mapping file, made into checked steps."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import orjson

from mend.contracts.quarantine import Step
from mend.curate.plan import Plan
from mend.quarantine.expression import check_expression
from mend.quarantine.repair import check_cast, json_text
from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest
from mend.runtime.yaml_file import load_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Options as they were written: FIELD=SOMETHING each; an enum's is FIELD:OLD=NEW, a mapping's may be a file."""

    mapping: Sequence[str] = ()
    cast: Sequence[str] = ()
    default: Sequence[str] = ()
    enum_map: Sequence[str] = ()
    sql: Sequence[str] = ()

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.mapping or self.cast or self.default or self.enum_map or self.sql)


def steps_of(plan: Plan, wishes: Wishes, seen: AbstractSet[str]) -> tuple[Step, ...]:
    """Return the steps; a field that does not exist, or an option that makes no sense, is a UserError.

    `seen` are the keys of the events that are meant.
    """
    return (
        *renames(plan, wishes.mapping, seen),
        *(
            Step(kind="cast", target=source(plan, field, "--cast"), value=check_cast(kind))
            for field, kind in pairs("--cast", wishes.cast)
        ),
        *enums(plan, wishes.enum_map),
        *(
            Step(kind="default", target=source(plan, field, "--default"), value=json_text(value))
            for field, value in pairs("--default", wishes.default)
        ),
        *(expression(plan, field, text, seen) for field, text in pairs("--sql", wishes.sql)),
    )


def pairs(option: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    """Cut FIELD=SOMETHING."""
    found = [text.partition("=") for text in texts]
    for (field, sign, value), text in zip(found, texts, strict=True):
        if not (field.strip() and sign and value):
            raise UserError(f"{option} {text}: expected FIELD=SOMETHING.")
    return [(field.strip(), value) for field, _, value in found]


def source(plan: Plan, field: str, option: str) -> str:
    """Return the key in the event from which a field of the contract is read."""
    names = {one.name: key for one, key in zip(plan.fields, plan.sources, strict=True)}
    if field not in names:
        raise UserError(f"{option} {field}: no field of the contract.{nearest(field, names)}")
    return names[field]


def renames(plan: Plan, texts: Sequence[str], seen: AbstractSet[str]) -> list[Step]:
    """Return the steps of a mapping; one that cannot be meant is refused before it is tried."""
    wanted = [pair for text in texts for pair in (pairs("--mapping", [text]) if "=" in text else from_file(plan, text))]
    fields, observed = [field for field, _ in wanted], [key for _, key in wanted]
    for names in (fields, observed):
        if twice := [one for one in names if names.count(one) > 1]:
            raise UserError(f"--mapping: '{twice[0]}' stands there twice; two fields cannot be made into one.")
    steps = [Step(kind="rename", target=source(plan, field, "--mapping"), value=key) for field, key in wanted]
    if loops := [one.value for one in steps if one.value in {other.target for other in steps}]:
        raise UserError(f"--mapping: '{loops[0]}' is read and written: a mapping cannot go in a circle.")
    for key in observed:
        if key not in seen:
            raise UserError(f"--mapping: no event that is meant has a field '{key}'.{nearest(key, seen)}")
    return steps


def from_file(plan: Plan, name: str) -> list[tuple[str, str]]:
    """Read a mapping file: field of the contract → observed field, alone or below `mapping`, for one pipeline."""
    path = Path(name)
    if not path.is_file():
        raise UserError(f"--mapping {name}: expected FIELD=OBSERVED, or a file; there is none.")
    document = load_yaml(path).document
    body = document.get("mapping", document) if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(body, dict) or not body:
        raise UserError(f"{path}: expected FIELD: OBSERVED lines, or such below `mapping`.")
    other = document.get("pipeline", plan.pipeline.name)
    if other != plan.pipeline.name:
        raise UserError(f"{path}: it is a mapping of the pipeline '{other}', not of '{plan.pipeline.name}'.")
    found = [(field, key) for field, key in body.items() if (body is not document or field != "pipeline")]
    for field, key in found:
        if not isinstance(field, str) or not isinstance(key, str):
            raise UserError(f"{path}: '{field}': expected the name of an observed field.")
    return found


def enums(plan: Plan, texts: Sequence[str]) -> list[Step]:
    """Return a step for each field whose spellings are mapped."""
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        field, colon, rest = text.partition(":")
        old, sign, new = rest.rpartition("=")
        if not (field and colon and sign):
            raise UserError(f"--enum-map {text}: expected FIELD:OLD=NEW.")
        found.setdefault(field, {})[old] = new
    return [
        Step(kind="enum", target=source(plan, field, "--enum-map"), values=values) for field, values in found.items()
    ]


def expression(plan: Plan, field: str, text: str, seen: AbstractSet[str]) -> Step:
    """Return a checked expression."""
    target = source(plan, field, "--sql")
    check_expression(text, seen)
    return Step(kind="sql", target=target, value=text)


def as_options(step: Step, plan: Plan) -> list[str]:
    """Write a step as the options that ask for it: what was done by hand can be scripted."""
    names = {key: one.name for one, key in zip(plan.fields, plan.sources, strict=True)}
    field = names.get(step.target, step.target)
    match step.kind:
        case "rename":
            return ["--mapping", f"{field}={step.value}"]
        case "enum":
            return [part for old, new in step.values.items() for part in ("--enum-map", f"{field}:{old}={new}")]
        case "default":
            return ["--default", f"{field}={orjson.loads(step.value)}"] if is_plain(step.value) else [
                "--default", f"{field}={step.value}"
            ]  # fmt: skip
    return [f"--{step.kind}", f"{field}={step.value}"]


def is_plain(text: str) -> bool:
    """Whether a JSON text comes out the same when its bare words are written on the command line."""
    found = orjson.loads(text)
    return isinstance(found, str) and json_text(found) == text
