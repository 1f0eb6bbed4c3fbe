"""A pipeline is a file: no other file knows the fields of the pipeline that ships with Mend."""

import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import yaml

pytestmark = pytest.mark.spark

ROOT = Path(__file__).parents[2]
THEIRS = ("producer/", "pipelines/customers.yml", "kafka/schemas/", "airflow/include/", "tests/")
"""Files that are about customers."""
ELSEWHERE = ("bench/", "docs/", "data/", "build/", "htmlcov/", "requirements/")
"""Measurements and documents, which use the shipped pipeline as their example, and what tools write."""
SUFFIXES = {
    ".py",
    ".yml",
    ".yaml",
    ".sql",
    ".j2",
    ".html",
    ".css",
    ".js",
    ".ts",
    ".tsx",
    ".json",
    ".toml",
    ".xml",
    ".avsc",
}
COMMON = {"id", "name", "email", "version", "region"}
"""Fields that are words of everybody's: in code they say nothing about customers."""
QUOTED = {"plan", "country"}
"""Words that code may use as names and documents as words, but never as the name of a column."""


def distinctive() -> set[str]:
    """Return the fields of all versions and the derived columns that are nobody else's words."""
    fields = {
        field["name"]
        for path in (ROOT / "kafka" / "schemas").glob("customer_events*.avsc")
        for field in orjson.loads(path.read_bytes())["fields"]
    }
    derived = yaml.safe_load((ROOT / "pipelines" / "customers.yml").read_text(encoding="utf-8"))["derived"]
    return {*fields, *derived} - COMMON - QUOTED


def sources() -> Iterator[Path]:
    """Return the project's files that must not know the fields."""
    for top in ROOT.iterdir():
        hidden = top.name.startswith(".") or top.name.endswith(".egg-info")
        for path in (top,) if top.is_file() else () if hidden else top.rglob("*"):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in SUFFIXES and not name.startswith((*THEIRS, *ELSEWHERE)) and "node_modules" not in name:
                yield path


def findings(text: str) -> list[str]:
    """Return the fields that a text names."""
    words = "|".join(sorted(distinctive()))
    quoted = "|".join(sorted(QUOTED))
    return [found[0] for found in re.finditer(rf"\b(?:{words})\b|([\"'`])(?:{quoted})\1", text)]


def test_no_file_names_a_field_of_customers() -> None:
    """Neither code nor templates, matrix or settings: another pipeline is another file and nothing else."""
    read = {path: path.read_text(encoding="utf-8") for path in sources()}
    assert len(read) > 80
    named = {str(path.relative_to(ROOT)): found for path, text in read.items() if (found := findings(text))}
    assert named == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("row.signup_ts", ["signup_ts"]),
        ("SELECT marketing_opt_in, customer_segment", ["marketing_opt_in", "customer_segment"]),
        ("by \"country\" and 'plan'", ['"country"', "'plan'"]),
        ("make_plan(plan) of a country", []),
        ("event_tsv", []),
    ],
)
def test_the_search_finds_names(text: str, found: list[str]) -> None:
    """Whole words of the contract and of the derived columns, and quoted names of columns."""
    assert findings(text) == found


def test_the_search_reads_where_customers_stand() -> None:
    """The words are those of the shipped pipeline: its own file is full of them."""
    assert len(findings((ROOT / "pipelines" / "customers.yml").read_text(encoding="utf-8"))) > 10
