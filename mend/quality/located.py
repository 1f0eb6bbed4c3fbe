"""YAML whose every value still knows its line, so that an error can name it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest

Node = yaml.Node


class _Loader(yaml.SafeLoader):
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


@dataclass(frozen=True, slots=True)
class Document:
    """One file, for the errors about it."""

    path: Path

    def root(self) -> Node:
        """Return the top node. A file that is missing, not text or not YAML is a UserError."""
        try:
            node = yaml.compose(self.path.read_text(encoding="utf-8"), Loader=_Loader)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read ({error.strerror}). Check the path.") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{self.path}: is not UTF-8 text. Save it as UTF-8.") from error
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise UserError(f"{self.path}:{line}: is not YAML: {error.problem}.") from error
        except yaml.YAMLError as error:
            raise UserError(f"{self.path}: is not YAML: {error}.") from error
        if node is None:
            raise UserError(f"{self.path}: is empty.")
        return node

    def fail(self, node: Node, message: str) -> NoReturn:
        """Raise the error that names file and line."""
        raise UserError(f"{self.path}:{node.start_mark.line + 1}: {message}")

    def fields(self, node: Node, what: str) -> dict[str, tuple[Node, Node]]:
        """Return name → (key, value) of a mapping; each name is a text and stands there once."""
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, f"{what} is a mapping of names to values.")
        found: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.fail(key, f"a name in {what} is a text.")
            if key.value in found:
                self.fail(key, f"'{key.value}' stands twice in {what}.")
            found[key.value] = (key, value)
        return found

    def known(self, fields: dict[str, tuple[Node, Node]], valid: Iterable[str], what: str) -> None:
        """Refuse a name that is not in `valid`."""
        names = set(valid)
        for name, (key, _) in fields.items():
            if name not in names:
                self.fail(key, f"'{name}' is not a key of {what}.{nearest(name, names)}")

    def value(self, node: Node) -> Any:
        """Return the node as plain values."""
        try:
            return yaml.constructor.SafeConstructor().construct_document(node)
        except (yaml.YAMLError, ValueError) as error:
            self.fail(node, f"is not a plain value: {error}")

    def text(self, node: Node, what: str) -> str:
        """Return a non-empty text."""
        value = self.value(node)
        if not isinstance(value, str) or not value:
            self.fail(node, f"{what} is a text, not {value!r}.")
        return value

    def items(self, node: Node, what: str) -> list[Node]:
        """Return the nodes of a list."""
        if not isinstance(node, yaml.SequenceNode):
            self.fail(node, f"{what} is a list.")
        return list(node.value)
