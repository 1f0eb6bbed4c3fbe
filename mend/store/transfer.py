"""All rows of one store into another, empty one; the two may be different databases. Documents are not interpreted."""

from collections.abc import Iterator

from sqlalchemy import JSON, Column, Connection, TableClause, column, select, table, text
from sqlalchemy.types import TypeEngine

from mend.runtime.errors import UserError
from mend.store.columns import Document
from mend.store.engine import Store
from mend.store.tables import metadata

ROWS_AT_ONCE = 1_000


def copy_store(source: Store, target: Store) -> int:
    """Copy every row as of one moment of the source, in one transaction of the target; returns how many.

    A target that holds anything is a UserError: rows of two histories are never mixed.
    """
    with source.database.reading() as reader, target.transaction() as writer:
        if reader.dialect.name == "postgresql":
            reader.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        full = next(full_tables(writer), None)
        if full:
            raise UserError(f"the store is not empty: {full} holds rows. Restore into a new one.", exit_code=3)
        copied = sum(copy_table(reader, writer, one) for one in tables())
        go_on_counting(writer)
    return copied


def is_empty(store: Store) -> bool:
    """Whether nothing was ever written to the store."""
    with store.database.reading() as connection:
        return next(full_tables(connection), None) is None


def full_tables(connection: Connection) -> Iterator[str]:
    """Return the tables that hold rows."""
    return (one.name for one in tables() if connection.execute(select(one).limit(1)).first() is not None)


def tables() -> Iterator[TableClause]:
    """Return the tables, those that others point to first."""
    for one in metadata.sorted_tables:
        yield table(one.name, *(column(each.name, plain(each)) for each in one.columns))


def plain(one: "Column[object]") -> TypeEngine[object]:
    """Return the column's type; a document is only JSON here, since one of an older Mend is copied as it is."""
    return JSON(none_as_null=True) if isinstance(one.type, Document | JSON) else one.type


def copy_table(reader: Connection, writer: Connection, one: TableClause) -> int:
    """Copy a table by portions."""
    copied = 0
    found = reader.execution_options(yield_per=ROWS_AT_ONCE).execute(select(one)).mappings()
    for rows in found.partitions(ROWS_AT_ONCE):
        writer.execute(one.insert(), [dict(row) for row in rows])
        copied += len(rows)
    return copied


def go_on_counting(writer: Connection) -> None:
    """Let a server's counters go on behind the ids that were copied; SQLite does so by itself."""
    if writer.dialect.name != "postgresql":
        return
    for one in metadata.sorted_tables:
        key = one.autoincrement_column
        if key is not None:
            counter = f"pg_get_serial_sequence('{one.name}', '{key.name}')"
            last = f"(SELECT MAX({key.name}) FROM {one.name})"  # noqa: S608 - names of our own tables
            writer.execute(text(f"SELECT setval({counter}, {last}) WHERE {last} IS NOT NULL"))
