"""The one place where SQL comes from outside: one expression, read by the engine's own parser, checked part by part.

What is not known to be harmless is refused. The expression then runs in an engine without files, network and settings.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any

import duckdb
import orjson

from mend.curate import sql
from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest

LONGEST = 2_000
HARMLESS = frozenset({
    "CONSTANT", "COLUMN_REF", "FUNCTION", "OPERATOR", "COMPARISON", "CONJUNCTION", "CASE", "CAST", "BETWEEN", "LAMBDA",
    "TYPE",
})  # fmt: skip
"""Kinds of parts that an expression may have; no sub-query, no window, no star, no parameter."""
FUNCTIONS = frozenset({
    "+", "-", "*", "/", "//", "%", "**", "^", "||", "~~", "!~~", "~~*", "!~~*", "like_escape",
    "abs", "ceil", "ceiling", "floor", "round", "sign", "trunc", "mod", "pow", "power", "sqrt", "greatest", "least",
    "lower", "lcase", "upper", "ucase", "trim", "ltrim", "rtrim", "strip_accents", "nfc_normalize", "length", "strlen",
    "left", "right", "substr", "substring", "replace", "reverse", "translate", "split_part", "string_split", "split",
    "concat", "concat_ws", "contains", "starts_with", "ends_with", "prefix", "suffix", "instr", "strpos", "position",
    "regexp_matches", "regexp_full_match", "regexp_replace", "regexp_extract", "regexp_split_to_array",
    "md5", "sha256", "hash", "ascii", "chr", "hex", "unhex",
    "coalesce", "ifnull", "nullif", "if", "typeof",
    "strptime", "try_strptime", "strftime", "epoch", "epoch_ms", "epoch_us", "epoch_ns", "to_timestamp",
    "make_date", "make_time", "make_timestamp", "make_timestamp_ms", "date_part", "datepart", "date_trunc", "datetrunc",
    "date_diff", "datediff", "date_add", "year", "month", "day", "hour", "minute", "second", "millisecond",
    "microsecond", "to_years", "to_months", "to_days", "to_hours", "to_minutes", "to_seconds", "to_milliseconds",
    "to_microseconds", "timezone",
    "json_extract", "json_extract_string", "->", "->>", "json_type", "json_valid", "json_array_length", "json_keys",
    "to_json", "json_object", "json_array", "json_merge_patch", "json_exists", "json_contains",
    "list_value", "list_transform", "list_filter", "list_sum", "list_min", "list_max", "list_contains", "list_extract",
    "array_extract", "list_distinct", "list_sort", "len", "array_to_string", "list_concat", "struct_pack",
    "struct_extract", "row", "map", "map_extract", "element_at", "array_length", "list_element",
})  # fmt: skip
"""Functions of values: the same in, the same out. None reads a file, a setting, the time or chance, or makes rows."""
SELECT_PARTS: dict[str, Any] = {
    "where_clause": None, "group_expressions": [], "group_sets": [], "having": None, "sample": None, "qualify": None,
    "modifiers": [], "cte_map": {"map": []},
}  # fmt: skip


def check_expression(text: str, columns: AbstractSet[str]) -> None:
    """Refuse what is not one harmless expression over some columns; the UserError says what it is about."""
    if len(text) > LONGEST:
        raise refusal(text[:40] + "…", f"it has {len(text)} characters, at most {LONGEST} are allowed")
    for part, scope in parts(parsed(text), frozenset()):
        kind = part["class"]
        if kind not in HARMLESS:
            raise refusal(text, f"{kind.lower().replace('_', ' ')} is not allowed in an expression")
        if kind == "COLUMN_REF":
            name = part["column_names"][0]
            if name not in columns | scope:
                raise refusal(text, f"no field '{name}'.{nearest(name, columns)}")
        if kind == "FUNCTION":
            refuse_function(text, part)
    refuse_unbound(text, columns)


def refuse_unbound(text: str, columns: AbstractSet[str]) -> None:
    """Refuse what the engine cannot make sense of: wrong arguments, types that do not go together."""
    named = ", ".join(f"NULL::VARCHAR AS {sql.name(one)}" for one in sorted(columns)) or "NULL AS nothing"
    with duckdb.connect(config={"enable_external_access": False, "threads": 1}) as db:
        try:
            db.execute(f"SELECT to_json(TRY(({text}\n))) FROM (SELECT {named}) LIMIT 0").fetchall()
        except duckdb.Error as error:
            raise refusal(text, str(error).splitlines()[0]) from error


def refuse_function(text: str, part: dict[str, Any]) -> None:
    """Refuse a function that is not on the list, or is named by a schema or a catalog."""
    name = part["function_name"].lower()
    if name not in FUNCTIONS or part["schema"] or part["catalog"]:
        raise refusal(text, f"the function '{name}' is not allowed (docs/quarantine.md names those that are)")
    if part["filter"] is not None or part["distinct"] or part["order_bys"]["orders"]:
        raise refusal(text, f"'{name}' is written as an aggregate")


def parsed(text: str) -> dict[str, Any]:
    """Return the tree of the one expression that a text is, as the engine's own parser reads it."""
    with duckdb.connect(config={"enable_external_access": False, "threads": 1}) as db:
        found = db.execute("SELECT json_serialize_sql($1)", [f"SELECT {text}\n"]).fetchone()
    try:
        document = orjson.loads(found[0] if found else b"")
    except orjson.JSONDecodeError as error:
        raise refusal(text, "it cannot be read") from error
    if document["error"]:
        raise refusal(text, document["error_message"])
    statements = document["statements"]
    node = statements[0]["node"] if len(statements) == 1 else {}
    alone = node.get("type") == "SELECT_NODE" and all(node[one] == empty for one, empty in SELECT_PARTS.items())
    if not alone or node["from_table"]["type"] != "EMPTY" or len(node["select_list"]) != 1:
        raise refusal(text, "expected a single expression, without FROM, WHERE or a second statement")
    expression: dict[str, Any] = node["select_list"][0]
    if expression["alias"]:
        raise refusal(text, "an expression has no name of its own")
    return expression


def parts(tree: Any, scope: frozenset[str]) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Yield every part of the tree with the names that lambdas around it give."""
    if isinstance(tree, list):
        for one in tree:
            yield from parts(one, scope)
    elif isinstance(tree, dict):
        if tree.get("class") == "LAMBDA":
            scope |= names_of(tree["lhs"])
        if "class" in tree:
            yield tree, scope
        for one in tree.values():
            yield from parts(one, scope)


def names_of(tree: Any) -> frozenset[str]:
    """Return the names that a lambda gives to its arguments."""
    if isinstance(tree, list):
        return frozenset().union(*map(names_of, tree))
    if not isinstance(tree, dict):
        return frozenset()
    own = frozenset(tree["column_names"]) if tree.get("class") == "COLUMN_REF" else frozenset()
    return own.union(*(names_of(one) for one in tree.values()))


def refusal(text: str, why: str) -> UserError:
    """Return what is said of an expression that is not run."""
    return UserError(f"--sql {text}: {why}", exit_code=2)
