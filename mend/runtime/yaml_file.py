"""YAML documents that remember their lines, so that an error can name file and line."""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest

Place = tuple[str | int, ...]


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where the wheel has it: ten times as fast."""


class _Loader(_Base):  # type: ignore[misc]
    """YAML 1.2 scalars: NO is a country, 010 a code and 2020-01-01 a text, as their writers meant them."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own protocol


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), "-+0123456789")
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
    "-+.0123456789",
)


def compose(path: Path) -> yaml.Node | None:
    """Read a file as nodes, None for an empty one. One that is missing, not UTF-8 or not YAML is a UserError."""
    return composed(path)[0]


def composed(path: Path) -> tuple[yaml.Node | None, bytes]:
    """Read a file as nodes, beside the bytes that they were read from."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
        node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text. Save it as UTF-8.") from error
    except yaml.MarkedYAMLError as error:
        line = min(error.problem_mark.line, text.count("\n")) + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: is not YAML: {error.problem}.") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: is not YAML: {error}.") from error
    return node, content


@dataclass(frozen=True)
class YamlFile:
    """A parsed document and the line of each of its places (a place is a tuple of keys and indexes)."""

    path: Path
    document: Any
    lines: dict[Place, int]
    content: bytes = b""

    def error(self, place: Place, message: str) -> UserError:
        """Return an error that names file and line of the place, or of its nearest known parent."""
        while place and place not in self.lines:
            place = place[:-1]
        return UserError(f"{self.path}:{self.lines.get(place, 1)}: {message}")

    def check_keys(
        self, place: Place, found: dict[str, Any], valid: AbstractSet[str], required: AbstractSet[str] = frozenset()
    ) -> None:
        """Refuse unknown and missing keys with the nearest valid name."""
        for key in found:
            if key not in valid:
                raise self.error((*place, key), f"unknown key '{key}'.{nearest(str(key), valid)}")
        for key in sorted(required - found.keys()):
            raise self.error(place, f"'{key}' is missing. Add it.")


def load_yaml(path: Path) -> YamlFile:
    """Read a YAML file; a file that is missing, not UTF-8 or not YAML is a UserError that says where."""
    node, content = composed(path)
    try:
        document = None if node is None else yaml.constructor.SafeConstructor().construct_document(node)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UserError(f"{where}: is not YAML: {getattr(error, 'problem', error)}.") from error
    lines: dict[Place, int] = {}
    twice = walk(node, (), lines) if node is not None else None
    file = YamlFile(path, document, lines, content)
    if twice is not None:
        raise file.error(twice, f"'{twice[-1]}' stands there twice. Remove one.")
    return file


def walk(node: yaml.Node, place: Place, lines: dict[Place, int]) -> Place | None:
    """Note the line of every place below the node; returns the first place that stands there twice."""
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        parts = [((*place, key.value), key.start_mark.line + 1, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        parts = [((*place, index), item.start_mark.line + 1, item) for index, item in enumerate(node.value)]
    else:
        return None
    twice = None
    for inner, line, value in parts:
        twice = twice or (inner if inner in lines else None)
        lines[inner] = line
        twice = walk(value, inner, lines) or twice
    return twice
