"""A rules file as nodes that still know their lines, read one by one; a whole file at once: mend.runtime.yaml_file."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest
from mend.runtime.yaml_file import compose

Node = yaml.Node


@dataclass(frozen=True, slots=True)
class Document:
    """One file, for the errors about it."""

    path: Path

    def root(self) -> Node:
        """Return the top node. A file that is missing, not text or not YAML is a UserError."""
        node = compose(self.path)
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
