"""YAML documents that remember their lines, so that an error can name file and line."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest

Place = tuple[str | int, ...]
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where the wheel has it: ten times as fast."""


@dataclass(frozen=True)
class YamlFile:
    """A parsed document and the line of each of its places (a place is a tuple of keys and indexes)."""

    path: Path
    document: Any
    lines: dict[Place, int]

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
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}).") from error
    try:
        node = yaml.compose(text, Loader=LOADER)
        document = None if node is None else yaml.constructor.SafeConstructor().construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UserError(f"{where}: not YAML: {getattr(error, 'problem', error)}.") from error
    lines: dict[Place, int] = {}
    twice = walk(node, (), lines) if node is not None else None
    file = YamlFile(path, document, lines)
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
