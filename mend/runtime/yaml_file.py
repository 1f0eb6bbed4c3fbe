"""YAML documents that remember their lines, so that an error can name file and line."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest

Place = tuple[str | int, ...]


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
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UserError(f"{where}: not YAML: {getattr(error, 'problem', error)}.") from error
    lines: dict[Place, int] = {}
    if node is not None:
        walk(node, (), lines)
    return YamlFile(path, document, lines)


def walk(node: yaml.Node, place: Place, lines: dict[Place, int]) -> None:
    """Note the line of every place below the node."""
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            lines[*place, key.value] = key.start_mark.line + 1
            walk(value, (*place, key.value), lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            walk(item, (*place, index), lines)
