"""The seven modes, and the command that gives the verdict."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from cli.main import cli
from mend.compat.modes import Dialect, Mode, check, dialect_of


def version(*fields: tuple[str, bool]) -> dict[str, Any]:
    """Return a record of text fields, with or without a default."""
    ends = ({"default": ""} if default else {} for _, default in fields)
    parts = [{"name": name, "type": "string"} | end for (name, _), end in zip(fields, ends, strict=True)]
    return {"type": "record", "name": "R", "fields": parts}


A = version(("a", False))
A_AND_OPTIONAL = version(("a", False), ("b", True))
A_AND_REQUIRED = version(("a", False), ("b", False))
NOTHING = version()


@pytest.mark.parametrize(
    ("new", "older", "passes"),
    [
        (A_AND_OPTIONAL, [A], set(Mode)),
        (A_AND_REQUIRED, [A], {Mode.FORWARD, Mode.FORWARD_TRANSITIVE, Mode.NONE}),
        (NOTHING, [A], {Mode.BACKWARD, Mode.BACKWARD_TRANSITIVE, Mode.NONE}),
        (A_AND_REQUIRED, [A, A_AND_REQUIRED], set(Mode) - {Mode.BACKWARD_TRANSITIVE, Mode.FULL_TRANSITIVE}),
        (NOTHING, [A, NOTHING], set(Mode) - {Mode.FORWARD_TRANSITIVE, Mode.FULL_TRANSITIVE}),
    ],
)
def test_each_mode_asks_who_reads_whom(new: Any, older: list[Any], passes: set[Mode]) -> None:
    """Backward, forward and full look one way, the other, and both; transitive ones at all older versions."""
    assert {mode for mode in Mode if check(new, older, mode, Dialect.AVRO).compatible} == passes


def test_a_finding_says_which_version_and_who_cannot_read_it() -> None:
    """In a history the obstacle is named with its version and direction."""
    verdict = check(A_AND_REQUIRED, [A, A_AND_REQUIRED], Mode.FULL_TRANSITIVE, Dialect.AVRO)
    assert [(one.version, one.direction, one.problem.path) for one in verdict.incompatibilities] == [
        (1, "new reads old", "b")
    ]


@pytest.mark.parametrize(
    ("document", "dialect"),
    [
        (A, Dialect.AVRO),
        (["null", "string"], Dialect.AVRO),
        ("string", Dialect.AVRO),
        ({"type": "array", "items": "int"}, Dialect.AVRO),
        ({"type": "object"}, Dialect.JSON),
        ({"$ref": "#/$defs/a"}, Dialect.JSON),
        ({"enum": [1]}, Dialect.JSON),
        (True, Dialect.JSON),
    ],
)
def test_the_language_is_seen_from_the_document(document: Any, dialect: Dialect) -> None:
    """Nobody has to say whether a file is Avro or JSON Schema."""
    assert dialect_of(document) is dialect


def written(folder: Path, **documents: Any) -> list[str]:
    """Write schema files; returns their paths."""
    for name, document in documents.items():
        (folder / name).write_bytes(orjson.dumps(document))
    return [str(folder / name) for name in documents]


def test_the_command_gives_verdict_place_and_reason(tmp_path: Path) -> None:
    """Exit code 1 and a finding as JSON, exit code 0 the other way round."""
    required, plain = written(tmp_path, required=A_AND_REQUIRED, plain=A)
    words = ["contract", "compat", "--reader", required, "--writer", plain, "--json"]
    refused = CliRunner().invoke(cli, [*words, "--mode", "BACKWARD"])
    (finding,) = orjson.loads(refused.stdout)["incompatibilities"]
    assert (refused.exit_code, finding["path"], finding["kind"]) == (1, "b", "READER_FIELD_MISSING_DEFAULT_VALUE")
    assert CliRunner().invoke(cli, [*words, "--mode", "forward"]).exit_code == 0


def test_the_command_says_in_words_what_stands_between(tmp_path: Path) -> None:
    """A person reads the field, the reason and the verdict."""
    required, plain = written(tmp_path, required=A_AND_REQUIRED, plain=A)
    said = CliRunner().invoke(cli, ["contract", "compat", "--reader", required, "--writer", plain]).stdout
    assert "b: the writer does not have it" in said
    assert "NOT compatible (BACKWARD)" in said
