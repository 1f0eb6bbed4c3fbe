"""Avro's schema resolution: what was written with one schema is read as the contract's.

Only what changes a value is resolved here. A field that the writer lacks stays missing, one that the contract lacks
stays, and a type that does not resolve stays as it was written: the pass finds all three, by the same rules as in JSON.
Numbers that the specification promotes need no change either: their digits are the same.
Source: https://avro.apache.org/docs/1.12.0/specification/#schema-resolution
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mend.curate.avro_schema import SchemaUnusableError, Tree

TEXTS = {"string", "bytes"}


def with_sources(contract: Tree, sources: Mapping[str, str]) -> Tree:
    """Name the contract's fields as they are observed."""
    fields = [one | {"name": sources.get(one["name"], one["name"])} for one in contract["fields"]]
    return contract | {"fields": fields}


def resolve(written: Any, contract: Any) -> tuple[Any, Any]:
    """Return the writer's schema with the contract's names, and the schema as which its values are to be read."""
    if isinstance(written, list):
        pairs = [resolve(one, contract) for one in written]
        read = [one for _, one in pairs]
        kinds = [one["type"] for one in read]
        # string and bytes in one union are two types: as one they would be no union any more.
        return [one for one, _ in pairs], read if len(set(kinds)) == len(kinds) else [one for one, _ in pairs]
    if isinstance(contract, list):
        contract = next((one for one in contract if one["type"] == written["type"]), None) or next(
            (one for one in contract if {one["type"], written["type"]} == TEXTS), {"type": "null"}
        )
    return resolve_one(written, contract)


def resolve_one(written: Tree, contract: Tree) -> tuple[Tree, Tree]:
    """Resolve types of which none is a union."""
    kinds = (written["type"], contract["type"])
    if kinds == ("record", "record"):
        return resolve_record(written, contract)
    if kinds == ("enum", "enum"):
        return written, written | {key: contract[key] for key in ("symbols", "default")} if outside(
            written, contract
        ) else written
    for part in ("items", "values"):
        if part in written and part in contract:
            inner, read = resolve(written[part], contract[part])
            return written | {part: inner}, written | {part: read}
    if set(kinds) == TEXTS and not {"logicalType"} & (written.keys() | contract.keys()):
        return written, {"type": contract["type"]}
    return annotated(written, contract), annotated(written, contract)


def outside(written: Tree, contract: Tree) -> bool:
    """Whether an enum has symbols that the contract lacks, and for which it has a default."""
    return "default" in contract and not set(written["symbols"]) <= set(contract["symbols"])


def annotated(written: Tree, contract: Tree) -> Tree:
    """Read bytes as the contract's decimal; refuse times of another unit, which would be read a thousandfold."""
    units = written.get("unit"), contract.get("unit")
    if all(units) and units[0] != units[1]:
        raise SchemaUnusableError(f"it counts {units[0]} where the contract counts {units[1]}")
    if written["type"] == contract["type"] and contract.get("logicalType") and "logicalType" not in written:
        return written | {key: contract[key] for key in ("logicalType", "precision", "scale") if key in contract}
    return written


def resolve_record(written: Tree, contract: Tree) -> tuple[Tree, Tree]:
    """Resolve a record field by field; inside, what the writer lacks takes the contract's default."""
    pairs = list(members(written, contract))
    reads = [one for _, one in pairs]
    names = {one["name"] for one in reads}
    # The contract's own record is the outermost: there the pass fills defaults in, and counts what is missing.
    added = [one for one in contract["fields"] if one["name"] not in names and fillable(one)]
    inner = written["name"] != OUTERMOST
    return written | {"fields": [one for one, _ in pairs]}, written | {"fields": [*reads, *(added if inner else ())]}


OUTERMOST = "w0"


def members(written: Tree, contract: Tree) -> Iterator[tuple[Tree, Tree]]:
    """Resolve the fields that were written."""
    own = {one["name"] for one in written["fields"]}
    wanted = {one["name"]: one for one in contract["fields"]}
    renamed: dict[str, str] = {}
    for one in contract["fields"]:
        alias = next((alias for alias in one.get("aliases", ()) if alias in own and alias not in wanted), None)
        if one["name"] not in own and alias is not None:
            renamed.setdefault(alias, one["name"])
    for one in written["fields"]:
        name = renamed.get(one["name"], one["name"])
        field = {"name": name, "type": one["type"]}
        inner, read = resolve(one["type"], wanted[name]["type"]) if name in wanted else (one["type"], one["type"])
        yield field | {"type": inner}, field | {"type": read}


def fillable(field: Tree) -> bool:
    """Whether a default stands in the schema as it stands in JSON; one of bytes does not."""
    branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return "default" in field and branches[0]["type"] not in {"bytes", "fixed", "record", "array", "map"}
