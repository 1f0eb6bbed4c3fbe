"""Repairs that suggest themselves from a cause and from the rows themselves; each is worth no more than its trial."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from typing import Any

import orjson

from mend.contracts.field_types import Field
from mend.contracts.quarantine import Selection, Step, Trial
from mend.curate.plan import Plan
from mend.quarantine.groups import groups
from mend.quarantine.rows import Cause
from mend.quarantine.trial import samples, try_repair
from mend.quarantine.work import Bench, Remedy

LOOKED_AT = 500
ALIKE = 0.45
SPELLING = 0.75
MOST = 4
"""Proposals tried for one cause."""
FORMATS = {
    r"\d{1,2}\.\d{1,2}\.\d{4}": "%d.%m.%Y",
    r"\d{1,2}\.\d{1,2}\.\d{4} \d{2}:\d{2}(:\d{2})?": "%d.%m.%Y %H:%M:%S",
    r"\d{4}/\d{2}/\d{2}": "%Y/%m/%d",
    r"\d{8}": "%Y%m%d",
}
"""Formats of dates that say by themselves which part is the day; 03/04/2026 does not, so nobody guesses it."""
UNITS = ("/1000", "x1000", "/1000000", "x1000000", "/100", "x100")
EPOCHS = {"timestamp-millis": "epoch_ms", "timestamp-micros": "epoch_us"}
WHOLE = {"int", "long"}
Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A repair for one cause, why it comes to mind, and what its trial said."""

    cause: Cause
    steps: tuple[Step, ...]
    why: str
    trial: Trial


def proposals(bench: Bench, selection: Selection) -> Iterator[Proposal]:
    """Yield the repairs that help, cause by cause, the best first; those that their trial refuses are left out."""
    for group in groups(bench.index, selection):
        chosen = Selection(
            causes=(group.cause.id,), runs=selection.runs, partition=selection.partition,
            from_offset=selection.from_offset, until_offset=selection.until_offset,
        )  # fmt: skip
        tried = [
            Proposal(
                cause=group.cause, steps=steps, why=why,
                trial=try_repair(bench, Remedy(selection=chosen, steps=steps)),
            )
            for steps, why in list(ideas(bench, group.cause, chosen))[:MOST]
        ]  # fmt: skip
        yield from sorted((one for one in tried if not one.trial.refused), key=lambda one: -one.trial.passes)


def ideas(bench: Bench, cause: Cause, selection: Selection) -> Iterator[tuple[tuple[Step, ...], str]]:
    """Yield what may help against a cause."""
    plan = bench.plan
    field = next((one for one in plan.fields if one.name == cause.column), None)
    if field is None:
        return
    target = plan.sources[plan.fields.index(field)]
    events = [one for one in map(parsed, samples(bench, Remedy(selection=selection, steps=()), LOOKED_AT)) if one]
    values = [one[target] for one in events if one.get(target) is not None]
    texts = [one for one in values if isinstance(one, str)]
    if cause.rule in {"required", "not_null"}:
        yield from instead(plan, field, target, events)
    elif texts:
        yield from of_texts(plan, field, target, texts)
    elif values:
        yield from of_numbers(field, target, values)


def parsed(sample: Any) -> Event | None:
    """Return an event as it came."""
    try:
        found = orjson.loads(sample.before) if sample.before else None
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def instead(plan: Plan, field: Field, target: str, events: Sequence[Event]) -> Iterator[tuple[tuple[Step, ...], str]]:
    """Yield fields that nobody knows and that may be the missing one, then the contract's default."""
    seen: Counter[str] = Counter(key for one in events for key in one if key not in plan.sources)
    ranked = sorted(seen, key=lambda key: -likeness(target, key))
    for key in [one for one in ranked if likeness(target, one) >= ALIKE or fits(plan, field, events, one)][:2]:
        step = Step(kind="rename", target=target, value=key)
        yield (step,), f"'{key}' came in {seen[key]} of {len(events)} rows"
    if field.has_default and field.default is not None:
        default = Step(kind="default", target=target, value=orjson.dumps(field.default).decode())
        yield (default,), "the contract's default"


def fits(plan: Plan, field: Field, events: Sequence[Event], key: str) -> bool:
    """Whether the values of an unknown field are among those that the missing one may have."""
    allowed = symbols(plan, field)
    return bool(allowed) and {one[key] for one in events if isinstance(one.get(key), str)} <= set(allowed)


def likeness(one: str, other: str) -> float:
    """Return how alike two names are, by their words."""
    words = [re.findall(r"[a-z]+|\d+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()) for name in (one, other)]
    shared = len({*words[0]} & {*words[1]}) / max(len({*words[0]} | {*words[1]}), 1)
    return max(shared, SequenceMatcher(None, "".join(words[0]), "".join(words[1])).ratio())


def of_texts(plan: Plan, field: Field, target: str, texts: Sequence[str]) -> Iterator[tuple[tuple[Step, ...], str]]:
    """Yield what makes a value of a text."""
    kind, epoch = field.type.kind, EPOCHS.get(field.type.logical or "")
    some = texts[0].strip()
    if values := spellings(set(texts), symbols(plan, field)):
        yield (Step(kind="enum", target=target, values=values),), f"{len(values)} spellings of known values"
    if kind in WHOLE and re.fullmatch(r"[+-]?\d+(\.0*)?", some):
        yield (Step(kind="cast", target=target, value="int"),), "numbers came as texts"
    if kind in {"float", "double"}:
        yield (Step(kind="cast", target=target, value="double"),), "numbers came as texts"
    if kind == "boolean":
        yield (Step(kind="cast", target=target, value="boolean"),), "yes and no came as texts"
    if epoch:
        form = next((one for pattern, one in FORMATS.items() if re.fullmatch(pattern, some)), "")
        value = f"{epoch}:{form}" if form else epoch
        yield (Step(kind="cast", target=target, value=value),), f"times came as texts{' like ' + form if form else ''}"
    if any(one != one.strip() for one in texts):
        yield (Step(kind="cast", target=target, value="trim"),), "blanks around the value"


def of_numbers(field: Field, target: str, values: Sequence[Any]) -> Iterator[tuple[tuple[Step, ...], str]]:
    """Yield what makes a value of a number."""
    if field.type.kind in {"string", "enum"}:
        yield (Step(kind="cast", target=target, value="string"),), "a text came as a number"
        return
    if field.type.kind in WHOLE and any(isinstance(one, float) for one in values):
        yield (Step(kind="cast", target=target, value="int"),), "whole numbers came with a fraction of 0"
    for unit in UNITS:
        yield (Step(kind="cast", target=target, value=unit),), f"as if in another unit ({unit})"


def symbols(plan: Plan, field: Field) -> tuple[str, ...]:
    """Return the values that a field may have, by its type or by a rule; none where all are good."""
    rule = next(
        (
            one for one in plan.rules.rules
            if one.columns[0] == field.name and one.expectation == "expect_column_values_to_be_in_set"
        ),
        None,
    )  # fmt: skip
    listed = rule.arguments.get("value_set", ()) if rule else ()
    return tuple(field.type.symbols) or tuple(one for one in listed if isinstance(one, str))


def spellings(found: set[str], allowed: Sequence[str]) -> dict[str, str]:
    """Return the known value that each other spelling stands for; one that could stand for two is left alone."""
    plain = {re.sub(r"[\W_]+", "", one).casefold(): one for one in allowed}
    result = {}
    for one in found - set(allowed):
        bare = re.sub(r"[\W_]+", "", one).casefold()
        near = get_close_matches(bare, plain, 2, SPELLING)
        if bare in plain:
            result[one] = plain[bare]
        elif len(near) == 1:
            result[one] = plain[near[0]]
    return dict(sorted(result.items()))
