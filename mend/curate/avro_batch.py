"""Avro by the batch: pyruhvro decodes it to Arrow, DuckDB writes the JSON text.

Only for types on which it was shown to agree with fastavro; and wherever it refuses a batch, or a record does not end
where its bytes end, fastavro is asked about the record.
"""

import secrets
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mend.curate.avro_schema import Tree
from mend.curate.decode import FRAME
from mend.curate.direct import as_entries, entries, values_of

PRIMITIVES = {"boolean": "boolean", "int": "long", "long": "long", "float": "float", "double": "double",
              "string": "string"}  # fmt: skip
"""As what a type is decoded. An int is a long on the wire; as one it keeps a value that is too big to be an int."""
PARTS = {"array": "items", "map": "values"}
FEW = 16
"""Records that are not worth another batch."""
END = "end"
TEXT = "SELECT to_json(event)::VARCHAR AS text FROM events"


def plain(tree: Any) -> Any:
    """Return the schema for pyruhvro, None if there is a type in it that must not be left to it."""
    if isinstance(tree, list):
        others = [plain(one) for one in tree if one["type"] != "null"]
        nullable = len(tree) == 2 and len(others) == 1 and others[0] is not None  # noqa: PLR2004 - null and another
        return ["null" if one["type"] == "null" else others[0] for one in tree] if nullable else None
    kind = tree["type"]
    if kind in PRIMITIVES:
        return PRIMITIVES[kind]
    if kind == "enum":
        return {"type": kind, "name": tree["name"], "symbols": tree["symbols"]}
    if kind in PARTS:
        inner = plain(tree[PARTS[kind]])
        return None if inner is None else {"type": kind, PARTS[kind]: inner}
    if kind == "record" and tree["fields"]:
        fields = [{"name": one["name"], "type": plain(one["type"])} for one in tree["fields"]]
        return {"type": kind, "name": tree["name"], "fields": fields} if all(one["type"] for one in fields) else None
    return None


class BatchReader:
    """Reads records that were written with one schema; not thread-safe.

    After each record stands a number that nobody knows: a record that is too short or too long does not come to it.
    """

    def __init__(self, schema: Tree, schema_id: int = 0, direct: pa.StructType | None = None) -> None:
        """Take a schema that `plain` has passed; `direct` are the columns that the pass takes decoded."""
        from fastavro import schemaless_writer

        number, tail = secrets.randbits(62), BytesIO()
        schemaless_writer(tail, {"type": "long"}, number)
        self.end, self.tail = pa.scalar(number, pa.int64()), tail.getvalue()
        names = [one["name"] for one in schema["fields"]]
        self.names = names
        self.schema_id = pa.scalar(schema_id, pa.int64())
        self.direct = direct
        self.complete = direct is not None and set(names) == {one.name for one in direct}
        ended = [*({"name": f"f{at}", "type": one["type"]} for at, one in enumerate(schema["fields"]))]
        self.schema = orjson.dumps(schema | {"fields": [*ended, {"name": END, "type": "long"}]}).decode()
        self.db = duckdb.connect(config={"threads": 1, "enable_external_access": False})

    def read(self, records: Sequence[bytes]) -> pa.Array:
        """Return the payload of each record (with its header): nothing where it has to be judged by itself."""
        try:
            return self.decoded(records)
        except (ValueError, duckdb.Error):
            if len(records) <= FEW:
                nothing = pa.nulls(len(records), pa.string())
                return nothing if self.direct is None else as_entries(nothing, self.direct)
        middle = len(records) // 2
        return pa.concat_arrays([self.read(records[:middle]), self.read(records[middle:])])

    def decoded(self, records: Sequence[bytes]) -> pa.Array:
        """Decode a batch; one that is not sound throughout is a ValueError."""
        from pyruhvro import deserialize_array

        batch = deserialize_array([one[FRAME:] + self.tail for one in records], self.schema)
        batch.validate(full=True)
        *columns, ends = batch.columns
        texts = pa.nulls(len(ends), pa.string()) if self.complete else self.texts(columns)
        ended = pc.equal(ends, self.end)
        if not pc.all(ended).as_py():
            texts = pc.if_else(ended, texts, pa.scalar(None, pa.string()))
        if self.direct is None:
            return texts
        written = pc.if_else(ended, self.schema_id, pa.scalar(None, pa.int64()))
        return entries(texts, written, values_of(dict(zip(self.names, columns, strict=True)), self.direct, len(texts)))

    def texts(self, columns: Sequence[pa.Array]) -> pa.Array:
        """Write events as JSON."""
        self.db.register("events", pa.table({"event": pa.StructArray.from_arrays(columns, self.names)}))
        try:
            return self.db.sql(TEXT).to_arrow_table()["text"].combine_chunks()
        finally:
            self.db.unregister("events")
