"""The quick look at nested events: those in one of the usual forms need no other.

An event whose decoded values, written as JSON again, are its text to the byte has the keys and types that were read and
nothing else; of members that may be missing, it may lack all that are null. What is left to ask of such an event is
asked in SQL: whether parts are there, in their ranges, of their patterns and symbols.
"""

from collections.abc import Iterable, Iterator, Sequence

from mend.contracts.field_types import Field, FieldType
from mend.curate import sql
from mend.curate.fields import part_holds
from mend.curate.shapes import Shape

MOST_FORMS = 8
"""Each form is another text to compare with, for the events that none before it fits."""


def usual_forms(found: Sequence[Shape]) -> tuple[Shape, ...]:
    """Return a shape for each of the most frequent lists of keys with which events do not differ from the contract."""
    forms: dict[tuple[str, ...], Shape] = {}
    for one in found:
        if not one.differs:
            forms.setdefault(one.keys, one)
    return tuple(forms.values())[:MOST_FORMS]


def form_sql(forms: Sequence[Shape], fields: Sequence[Field], sources: Sequence[str]) -> str:
    """Return the shape of an `event` that has a usual form, NULL for all others.

    Shapes with the same keys differ in which values are null alone, which is asked for here and matters to no count.
    """
    by_source, optional = dict(zip(sources, fields, strict=True)), optional_members(fields, sources)
    whens = "\n      ".join(
        f"WHEN {same_sql(form.keys, optional)}{there_sql(form.keys, by_source)} THEN {form.hash}::UBIGINT"
        for form in forms
    )
    return f"CASE {whens} END"


def there_sql(keys: Iterable[str], by_source: dict[str, Field]) -> str:
    """Ask what the text does not say: that no value is null that must be one, and that parts are of their types."""
    pairs = ((f"event.{sql.name(key)}", by_source[key]) for key in keys)
    asked = (
        part_holds(value, field, 0) if field.type.nested else None if field.nullable else f"{value} IS NOT NULL"
        for value, field in pairs
    )
    return "".join(f" AND {one}" for one in asked if one)


def same_sql(keys: Iterable[str], optional: Iterable[str]) -> str:
    """Whether the decoded values, written as JSON again, are the text: with all members, or without optional nulls."""
    members = ", ".join(f"{sql.literal(key)}: event.{sql.name(key)}" for key in keys)
    text = f"to_json({{{members}}})::VARCHAR"
    short = text
    for name in optional:
        short = without_null(short, name)
    return (
        f"(payload = {text})" if short == text else f"(CASE WHEN payload = {text} THEN TRUE ELSE payload = {short} END)"
    )


def without_null(text: str, name: str) -> str:
    """Leave a member out where it is null; no text inside JSON can look like one, its quotes would be escaped."""
    member = sql.literal(name)[1:-1]
    first = f"replace({text}, '{{\"{member}\":null,', '{{')"
    return f"replace({first}, ',\"{member}\":null', '')"


def optional_members(fields: Sequence[Field], sources: Sequence[str]) -> list[str]:
    """Return the names of members that may be missing and are null then, and that stand for nothing else.

    A whole field that is missing makes another shape, and a member may have a default to be filled in.
    """
    members = [one for field in fields for one in members_of(field.type)]
    optional = {one.name for one in members if one.nullable and one.default is None and sql.is_bare(one.name)}
    others = {one.name for one in members if not one.nullable or one.default is not None}
    return sorted(optional - others - set(sources))


def members_of(found: FieldType) -> Iterator[Field]:
    """Yield the members of all records in a type; those in a union are no part of its structure."""
    if found.branches:
        return
    yield from found.fields
    for one in found.parts:
        yield from members_of(one)
