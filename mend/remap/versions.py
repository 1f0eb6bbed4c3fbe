"""What one version of a mapping changed, and how that is taken back, or brought again, on top of later ones. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from mend.contracts.mapping import MappedField, Mapping
from mend.runtime.errors import UserError

REFUSED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A field before and after; None where it was not there."""

    name: str
    before: MappedField | None
    after: MappedField | None

    def __str__(self) -> str:
        """Say it in a line."""
        if self.before is None or self.after is None:
            one, word = (self.after, "+") if self.before is None else (self.before, "-")
            return f"{word} {written(one)}" if one else self.name
        return f"~ {written(self.before)}  →  {written(self.after)}"


def written(field: MappedField) -> str:
    """Write a field as people read it."""
    source = "" if field.source == field.name else f" from {field.source}"
    return f"{field.name}: {field.type}{'' if field.nullable else ', not null'}{source}"


def changes(before: Mapping | None, after: Mapping | None) -> tuple[Changed, ...]:
    """Return the fields that differ, in the order of the later mapping."""
    was = {one.name: one for one in before.fields} if before else {}
    now = {one.name: one for one in after.fields} if after else {}
    names = [*now, *(name for name in was if name not in now)]
    return tuple(
        Changed(name=name, before=was.get(name), after=now.get(name))
        for name in names
        if was.get(name) != now.get(name)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The fields of a new version, and those of the stream that no decision shall add."""

    fields: tuple[MappedField, ...]
    declined: tuple[str, ...]


def taken_back(current: Mapping, before: Mapping, after: Mapping) -> Recipe:
    """Return the current mapping without what happened between two of its versions; later changes stay.

    Fields that are taken out are declined, those that come again are not. A field that was changed again since is
    refused: that change is taken back first.
    """
    fields = {one.name: one for one in current.fields}
    for one in changes(before, after):
        if fields.get(one.name) != one.after:
            raise UserError(
                f"{current.pipeline}: the field '{one.name}' was changed again after version {after.version} "
                f"(now version {current.version}). Take that back first: mend mapping diff {current.pipeline} "
                f"{after.version} {current.version}",
                exit_code=REFUSED,
            )
        if one.before is None:
            del fields[one.name]
        else:
            fields[one.name] = one.before
    gone = {one.source for one in current.fields} - {one.source for one in fields.values()}
    back = {one.source for one in fields.values()}
    return Recipe(fields=tuple(fields.values()), declined=in_order([*current.declined, *sorted(gone)], back))


def in_order(names: Iterable[str], without: Iterable[str]) -> tuple[str, ...]:
    """Return the names once each, without some."""
    left_out = set(without)
    return tuple(name for name in dict.fromkeys(names) if name not in left_out)
