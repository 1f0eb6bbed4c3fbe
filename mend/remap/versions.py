"""What one version of a mapping changed, and how that is taken back, or brought again, on top of later ones. Pure."""

from collections.abc import Iterable
from collections.abc import Mapping as StringMapping
from dataclasses import dataclass, replace

from mend.contracts.drift import AddedField
from mend.contracts.mapping import MappedField, Mapping
from mend.runtime.errors import UserError
from mend.runtime.pipeline_file import Pipeline

REFUSED = 3


def contract_of(pipeline: Pipeline) -> tuple[MappedField, ...]:
    """Return the pipeline's own fields: version 1 of its mapping."""
    return tuple(
        MappedField(
            name=one.name, source=pipeline.source(one.name), type=one.type.column_type, nullable=one.nullable,
            added=False,
        )
        for one in pipeline.schema.fields
    )  # fmt: skip


def fields_now(pipeline: Pipeline, current: Mapping | None) -> tuple[MappedField, ...]:
    """Return the fields that are used: the contract as the pipeline file has it by now, renames, what was added."""
    contract = contract_of(pipeline)
    if current is None:
        return contract
    was = {one.name: one for one in current.fields}
    own = tuple(kept_rename(one, was.get(one.name)) for one in contract)
    names = {one.name for one in contract}
    return (*own, *(one for one in current.fields if one.added and one.name not in names))


def kept_rename(own: MappedField, mapped: MappedField | None) -> MappedField:
    """Return the contract's field from where it was renamed to, unless the pipeline file says elsewhere since."""
    renamed = mapped is not None and mapped.renamed_from == own.source
    return replace(own, source=mapped.source, renamed_from=own.source) if mapped and renamed else own


def additions(
    fields: Iterable[MappedField], declined: Iterable[str], added: Iterable[AddedField]
) -> tuple[MappedField, ...]:
    """Return the new fields that the machine may add by itself: of one type, nullable, and declined by nobody."""
    known = {name for one in fields for name in (one.name, one.source)} | set(declined)
    return tuple(
        MappedField(name=one.name, source=one.name, type=one.type, nullable=True, added=True)
        for one in added
        if one.nullable and one.type.lower() not in {"null", "mixed"} and one.name not in known
    )


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


def with_renames(fields: Iterable[MappedField], declined: Iterable[str], renames: StringMapping[str, str]) -> Recipe:
    """Return the recipe in which fields (by name) are read from where they went: `renames` is new name → field.

    A column that was added for the new name goes: its values are the field's.
    """
    went = {old: new for new, old in renames.items()}
    found = tuple(
        replace(one, source=went[one.name], renamed_from=None if one.added else one.renamed_from or one.source)
        if one.name in went and one.source != went[one.name]
        else one
        for one in fields
        if not (one.added and one.source in renames and one.name not in went)
    )
    return Recipe(fields=found, declined=in_order(declined, {one.source for one in found}))


def in_order(names: Iterable[str], without: Iterable[str]) -> tuple[str, ...]:
    """Return the names once each, without some."""
    left_out = set(without)
    return tuple(name for name in dict.fromkeys(names) if name not in left_out)
