"""Whether the text of an event is to the byte what its decoded values give when they are written as JSON again."""

from collections.abc import Mapping

import orjson

from mend.curate import sql
from mend.curate.shapes import NULL, Shape

DIGITS = frozenset({"INTEGER", "BIGINT", "BOOLEAN"})
"""Structures whose values JSON writes as SQL does."""


def usual_pieces(shape: Shape, structures: Mapping[str, str], types: Mapping[str, str]) -> list[str]:
    """Return the text of an event of a shape in pieces of SQL: literals and values, a literal first and last.

    Strings stand in it as they are, without escapes. A text that equals it has no string that needs any: the first one
    that did would be longer in the text than here.
    """
    pieces, text = [], "{"
    for number, key in enumerate(shape.keys):
        text += "," * (number > 0) + orjson.dumps(key).decode() + ":"
        if types.get(key) == NULL:
            text += "null"
            continue
        value, quote = f"event.{sql.name(key)}", '"' * (structures[key] == "VARCHAR")
        written = value if quote or structures[key] in DIGITS else f"to_json({value})::VARCHAR"
        pieces += [sql.literal(text + quote), written]
        text = quote
    return [*pieces, sql.literal(text + "}")]


def candidate_sql(pieces: list[str]) -> str:
    """Return the payload where it begins and ends as the usual text does: nothing else need be decoded.

    Decoding fails on what is no JSON, and one failure makes DuckDB decode some thousand events one by one.
    """
    return f"CASE WHEN starts_with(payload, {pieces[0]}) AND ends_with(payload, {pieces[-1]}) THEN payload END"


def same_sql(pieces: list[str], shape: Shape) -> str:
    """Return the condition that the values are the text; only one with an escape is asked about the long way."""
    members = ", ".join(f"{sql.literal(key)}: event.{sql.name(key)}" for key in shape.keys)
    return (
        f"CASE WHEN payload = concat({', '.join(pieces)}) THEN TRUE "
        f"ELSE coalesce(payload = to_json({{{members}}})::VARCHAR, FALSE) END"
    )
