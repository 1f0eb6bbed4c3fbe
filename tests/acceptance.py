"""Which promises are proven: `tests/acceptance.yml` maps each to the tests that prove it.

A value is a list of pytest node ids, or `skipped: why, and what is done in its place`. Run as a program it prints how
many promises of each system are proven.
"""

import ast
import re
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

HERE = Path(__file__).parent
IDS = HERE / "acceptance_ids.txt"
CLAIMS = HERE / "acceptance.yml"
SKIPPED = re.compile(r"skipped: .{20,}")


@dataclass(frozen=True, slots=True)
class Claim:
    """A promise with the tests that prove it, or why it is skipped."""

    row: str
    line: int
    tests: tuple[str, ...]
    skipped: str | None


def read_claims(path: Path = CLAIMS) -> list[Claim]:
    """Read all claims, a row that stands there twice included."""
    root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError(f"{path}: expected rows and their tests")
    return [claim(key, value) for key, value in root.value]


def claim(key: yaml.Node, value: yaml.Node) -> Claim:
    """Read one claim."""
    tests = tuple(item.value for item in value.value) if isinstance(value, yaml.SequenceNode) else ()
    skipped = value.value if isinstance(value, yaml.ScalarNode) else None
    return Claim(row=key.value, line=key.start_mark.line + 1, tests=tests, skipped=skipped)


def problems(claims: list[Claim], known: set[str]) -> list[str]:
    """Return what is wrong with the claims, a line each."""
    found = []
    seen = Counter(one.row for one in claims)
    for one in claims:
        where = f"line {one.line}: {one.row}"
        if one.row not in known:
            found.append(f"{where} is no known row")
        if seen[one.row] > 1:
            found.append(f"{where} is claimed {seen[one.row]} times")
        if one.skipped is not None and not SKIPPED.fullmatch(one.skipped):
            found.append(f"{where}: write tests, or 'skipped: ' and why")
        if one.skipped is None and not one.tests:
            found.append(f"{where} names no test")
        found += [f"{where}: there is no test {test}" for test in one.tests if not exists(test)]
    return found


def exists(node: str) -> bool:
    """Whether a pytest node id leads to a test function of a file."""
    path, _, name = node.partition("::")
    file = HERE.parent / path
    return file.is_file() and name.partition("[")[0] in functions(file)


@cache
def functions(file: Path) -> set[str]:
    """Return the test functions of a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def known_rows() -> set[str]:
    """Return all row ids."""
    return set(IDS.read_text(encoding="utf-8").split())


def main() -> int:
    """Print the count of each system; 1 when a claim is wrong."""
    claims, known = read_claims(), known_rows()
    wrong = problems(claims, known)
    for line in wrong:
        sys.stdout.write(f"{line}\n")
    proven = Counter(one.row[:2] for one in claims if one.tests)
    skipped = Counter(one.row[:2] for one in claims if one.skipped)
    for system, rows in sorted(Counter(row[:2] for row in known).items()):
        sys.stdout.write(f"{system}: {proven[system]} of {rows} proven, {skipped[system]} done another way\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
