"""The columns of a table as leaves: members of records are dotted paths, items of lists carry `[]`. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One leaf. `values` has a row of the sample at each place, unless `inside_list`; `facts` are the schema's notes."""

    path: str
    type: pa.DataType
    values: pa.Array
    position: int
    inside_list: bool = False
    nullable: bool = True
    facts: dict[str, str] = field(default_factory=dict)


def leaf_columns(
    schema: pa.Schema | None, sample: pa.Table, *, typed: bool = True
) -> tuple[dict[str, Column], list[str]]:
    """Return the leaves by path, and the names that are there more than once, of which the first counts.

    A field of the schema that the sample lacks has no values; one that only the sample has keeps its own type. Without
    `typed` the types are those of the values.
    """
    schema = schema or sample.schema
    found: dict[str, Column] = {}
    twice: list[str] = []
    for name, one, values in fields(schema, sample):
        for leaf in leaves(name, one, values, inside_list=False):
            if leaf.path in found:
                twice.append(leaf.path)
                continue
            at = len(found)
            found[leaf.path] = Column(
                path=leaf.path, type=leaf.type if typed else leaf.values.type, values=leaf.values, position=at, inside_list=leaf.inside_list,
                nullable=leaf.nullable, facts=leaf.facts,
            )  # fmt: skip
    return found, twice


def fields(schema: pa.Schema, sample: pa.Table) -> Iterator[tuple[str, pa.Field, pa.Array]]:
    """Return every top column with its field and its values."""
    declared = set(schema.names)
    for one in schema:
        at = sample.schema.get_all_field_indices(one.name)
        values = whole(sample.column(at[0])) if at else pa.nulls(sample.num_rows, one.type)
        yield one.name, one, values
    for at, one in enumerate(sample.schema):
        if one.name not in declared:
            yield one.name, one, whole(sample.column(at))


def whole(values: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    return values.chunk(0) if values.num_chunks == 1 else pa.concat_arrays(values.chunks or [pa.nulls(0, values.type)])


def leaves(path: str, one: pa.Field, values: pa.Array, *, inside_list: bool) -> Iterator[Column]:
    """Return the leaves of a column: `values` may be of another type than the field declares."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.dictionary_decode()
    elif isinstance(values, pa.ExtensionArray):
        values = values.storage
    kind = values.type
    if pa.types.is_struct(kind) and kind.num_fields:
        for member, part in zip(kind, values.flatten(), strict=True):
            yield from leaves(f"{path}.{member.name}", declared(one.type, member), part, inside_list=inside_list)
    elif pa.types.is_map(kind):
        yield leaf(f"{path}{{}}", pa.field(path, kind.item_type), values.items, inside_list=True)
    elif is_list(kind):
        item = one.type.value_field if is_list(one.type) else kind.value_field
        yield from leaves(f"{path}[]", item, pc.list_flatten(values), inside_list=True)
    else:
        yield leaf(path, one, values, inside_list=inside_list)


def is_list(kind: pa.DataType) -> bool:
    """Whether a type has items."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def declared(outer: pa.DataType, member: pa.Field) -> pa.Field:
    """Return what the schema says of a member of a record, else what the values say."""
    at = outer.get_field_index(member.name) if pa.types.is_struct(outer) else -1
    return outer.field(at) if at >= 0 else member


def leaf(path: str, one: pa.Field, values: pa.Array, *, inside_list: bool) -> Column:
    """Return a leaf whose place is not known yet."""
    noted = one.metadata or {}
    facts = {key.decode(errors="replace"): value.decode(errors="replace") for key, value in noted.items()}
    return Column(
        path=path,
        type=one.type,
        values=values,
        position=-1,
        inside_list=inside_list,
        nullable=one.nullable,
        facts=facts,
    )
