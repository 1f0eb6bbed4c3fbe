"""A shape is the keys of an event and the JSON types of its contract fields.

A topic has few shapes, so whatever depends on the shape alone (missing fields, nulls, types, unknown fields) is
decided once a shape and not once an event. Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mend.contracts.schema import Field

MISSING, NULL = "missing", "NULL"
MOST_UNKNOWN = 20
"""Unknown fields that a shape remembers: an event may have ten thousand, and a topic ten thousand such shapes."""
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why an event is rejected: the rule, the column, what was expected and what came (a type, never a value)."""

    rule: str
    column: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one shape means.

    `present` names the contract fields that carry a value, their own or the contract's default: each must also decode
    to one. `defaulted` names those that take the default.
    """

    hash: int
    keys: tuple[str, ...]
    types: tuple[str, ...]
    unknown: tuple[str, ...]
    reasons: tuple[Reason, ...]
    present: tuple[str, ...]
    defaulted: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether events of this shape fit the contract's fields and types."""
        return not self.reasons

    @property
    def differs(self) -> bool:
        """Whether events of this shape differ from the contract in any field."""
        return bool(self.reasons or self.unknown)


def classify(
    shape_hash: int,
    types: Sequence[str | None],
    keys: Sequence[str],
    fields: Sequence[Field],
    sources: Sequence[str],
    *,
    refuse_unknown: bool = False,
) -> Shape:
    """Judge a shape. `types` holds the JSON type of each contract field in order, None where it is missing."""
    seen = tuple(one or MISSING for one in types)
    known = set(sources)
    defaulted = tuple(
        field.name
        for field, came in zip(fields, seen, strict=True)
        if came == MISSING and field.has_default and field.default is not None
    )
    unknown = tuple(dict.fromkeys(key for key in keys if key not in known))
    return Shape(
        hash=shape_hash,
        keys=tuple(keys),
        types=seen,
        unknown=unknown[:MOST_UNKNOWN],
        reasons=(
            *(reason for field, came in zip(fields, seen, strict=True) if (reason := judge_field(field, came))),
            *repeated(keys, fields, sources),
            *(refused_fields(unknown) if refuse_unknown else ()),
        ),
        present=(
            *(field.name for field, came in zip(fields, seen, strict=True) if came in field.type.json_types),
            *defaulted,
        ),
        defaulted=defaulted,
    )


def repeated(keys: Sequence[str], fields: Sequence[Field], sources: Sequence[str]) -> Iterator[Reason]:
    """Find contract fields that an event names twice: readers disagree on which value counts."""
    for field, source in zip(fields, sources, strict=True):
        if keys.count(source) > 1:
            yield Reason(rule="repeated", column=field.name, expected="one value", found="several")


def refused_fields(unknown: Sequence[str]) -> Iterator[Reason]:
    """Refuse fields that the contract does not know; a name may be made of a value, so that long ones are cut."""
    for name in unknown[:MOST_UNKNOWN]:
        yield Reason(rule="unknown_field", column=name[:LONGEST_NAME], expected="nothing", found="a field")
    if len(unknown) > MOST_UNKNOWN:
        yield Reason(
            rule="unknown_field", column="", expected="nothing", found=f"{len(unknown) - MOST_UNKNOWN} more fields"
        )


def judge_field(field: Field, came: str) -> Reason | None:
    """Return why a field of this JSON type breaks the contract, or None."""
    expected = field.type.label
    if came == MISSING:
        return Reason(rule="required", column=field.name, expected=expected, found=MISSING) if field.required else None
    if came == NULL:
        return None if field.nullable else Reason(rule="not_null", column=field.name, expected=expected, found="null")
    if came not in field.type.json_types:
        return Reason(rule="type", column=field.name, expected=expected, found=came)
    return None
