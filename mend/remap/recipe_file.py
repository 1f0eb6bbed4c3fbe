"""A mapping as a person writes it: which field is read from where, which are new, which go. Every mistake is told."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from mend.contracts.mapping import MappedField
from mend.curate.plan import ADDED_KINDS, PLAIN_NAME, RESERVED
from mend.remap.versions import Recipe, in_order
from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest
from mend.runtime.pipeline_file import Pipeline
from mend.runtime.yaml_file import YamlFile, load_yaml

KEYS = ("pipeline", "base", "fields", "without")
PARTS = ("from", "type")
TYPES = {
    "string": "VARCHAR", "long": "BIGINT", "int": "BIGINT", "double": "DOUBLE", "float": "DOUBLE",
    "boolean": "BOOLEAN", "record": "OBJECT", "array": "ARRAY",
}  # fmt: skip


def read_recipe(
    path: Path, pipeline: Pipeline, fields: Sequence[MappedField], *, version: int, declined: Sequence[str] = (),
    seen: Collection[str] = (),
) -> Recipe:  # fmt: skip
    """Read a mapping file as a change of the mapping that is used now (`version`, its `fields`).

    `seen` are the names that the stream carried lately; a source that is none of them is refused. So are a file of
    another pipeline or of an older version, two fields from one source, loops, and names that are not there.
    """
    file = load_yaml(path)
    check_head(file, pipeline, version)
    known = {one.name: one for one in fields}
    for name in file.document.get("without") or ():
        if name not in known or not known[name].added:
            places = [one.name for one in fields if one.added]
            raise file.error(("without",), f"without: '{name}' is no field that was added.{nearest(name, places)}")
        del known[name]
    wanted = file.document.get("fields") or {}
    if not isinstance(wanted, dict):
        raise file.error(("fields",), "fields: expected 'name: {from: source}' or 'name: {type: string}'.")
    for name, change in wanted.items():
        known[name] = changed(file, name, change, known.get(name), seen)
    found = tuple(known.values())
    check_sources(file, found, pipeline)
    gone = sorted({one.source for one in fields if one.added} - {one.source for one in found})
    return Recipe(fields=found, declined=in_order([*declined, *gone], {one.source for one in found}))


def check_head(file: YamlFile, pipeline: Pipeline, version: int) -> None:
    """Refuse unknown keys, another pipeline's file, and one that was made on another version."""
    if not isinstance(file.document, dict):
        raise file.error((), f"expected a mapping with the keys {', '.join(KEYS)}.")
    for key in file.document:
        if key not in KEYS:
            raise file.error((key,), f"unknown key '{key}'.{nearest(str(key), KEYS)}")
    name = file.document.get("pipeline")
    if name != pipeline.name:
        raise file.error(("pipeline",), f"it is a mapping of the pipeline '{name}', not of '{pipeline.name}'.")
    base = file.document.get("base", version)
    if base != version:
        what = f"it was made on version {base}, and version {version} is used now."
        raise UserError(f"{file.error(('base',), what)} Look at: mend mapping diff {pipeline.name} {base} {version}",
                        exit_code=3)  # fmt: skip


def changed(file: YamlFile, name: Any, change: Any, before: MappedField | None, seen: Collection[str]) -> MappedField:
    """Return a field as the file wants it."""
    place = ("fields", name)
    if not isinstance(name, str) or not isinstance(change, dict) or not change:
        raise file.error(place, f"fields.{name}: expected {{from: source}} or {{type: string}}, came {change!r}.")
    for part in change:
        if part not in PARTS:
            raise file.error((*place, part), f"fields.{name}: unknown key '{part}'.{nearest(str(part), PARTS)}")
    source = change.get("from", before.source if before else name)
    if source not in seen and (before is None or source != before.source):
        raise file.error(place, f"fields.{name}: no event of late has a field '{source}'.{nearest(str(source), seen)}")
    if before is not None and not before.added:
        return renamed(file, before, change, source)
    return added(file, name, change, source, before)


def renamed(file: YamlFile, before: MappedField, change: dict[str, Any], source: str) -> MappedField:
    """Return a field of the contract that is read from elsewhere."""
    if "type" in change:
        raise file.error(
            ("fields", before.name, "type"),
            f"fields.{before.name}: the contract says its type ({before.type}). Change the schema of the pipeline.",
        )
    was = before.renamed_from or before.source
    return MappedField(
        name=before.name, source=source, type=before.type, nullable=before.nullable,
        renamed_from=None if source == was else was,
    )  # fmt: skip


def added(file: YamlFile, name: str, change: dict[str, Any], source: str, before: MappedField | None) -> MappedField:
    """Return a new field, which may always be null."""
    place = ("fields", name)
    if not PLAIN_NAME.fullmatch(name) or name.lower() in RESERVED:
        raise file.error(place, f"fields.{name}: the name is taken, or no name of a column.")
    declared = change.get("type", before.type if before else None)
    if declared is None:
        raise file.error(place, f"fields.{name}: the contract has no field '{name}'. A new field needs a type.")
    kinds = {*TYPES, *ADDED_KINDS}
    kind = TYPES.get(str(declared).lower(), str(declared).upper())
    if kind not in ADDED_KINDS:
        raise file.error(place, f"fields.{name}: unknown type '{declared}'.{nearest(str(declared), kinds)}")
    return MappedField(name=name, source=source, type=kind, nullable=True, added=True)


def check_sources(file: YamlFile, fields: Sequence[MappedField], pipeline: Pipeline) -> None:
    """Refuse two fields of one source, a loop, and a name that differs by upper and lower case only."""
    lower = [one.name.lower() for one in fields] + [name.lower() for name in pipeline.derived]
    twice = next((name for name in lower if lower.count(name) > 1), None)
    if twice:
        raise file.error(("fields",), f"fields: two columns would be called '{twice}'.")
    loop = next(iter(loops(fields)), None)
    if loop:
        way = " ← ".join((*loop, loop[0]))
        raise file.error(
            ("fields", loop[0]), f"fields: a loop, {way}: values would change places unseen. Rename one at a time."
        )
    for one in fields:
        others = [other.name for other in fields if other.source == one.source]
        if len(others) > 1:
            raise file.error(("fields",), f"fields: {' and '.join(others)} are both read from '{one.source}'.")


def loops(fields: Sequence[MappedField]) -> Iterator[tuple[str, ...]]:
    """Yield the fields that are read from each other in a circle."""
    source = {one.name: one.source for one in fields if one.source != one.name}
    for name in source:
        way = [name]
        while source.get(way[-1]) in source and source[way[-1]] not in way:
            way.append(source[way[-1]])
        if len(way) > 1 and source.get(way[-1]) == name:
            yield tuple(way)
