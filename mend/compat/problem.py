"""One reason why a reader's schema does not take a writer's data."""

from dataclasses import dataclass

from mend.contracts.codec import STRICT

ROOT = "(root)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """`path` names the field as people do: `address.city`, `items[]` for elements, `labels{}` for a map's values."""

    __pydantic_config__ = STRICT
    kind: str
    path: str
    reason: str


def member(path: str, name: str) -> str:
    """Return the path of a field."""
    return name if path == ROOT else f"{path}.{name}"


def inside(path: str, brackets: str) -> str:
    """Return the path of what a container holds."""
    return brackets if path == ROOT else f"{path}{brackets}"
