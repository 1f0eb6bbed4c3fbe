"""One pattern, two engines, the same answer."""

import re
from collections.abc import Iterator
from itertools import product

import duckdb
import pytest

from mend.quality.patterns import PatternError, to_python, to_re2

pytestmark = pytest.mark.dq

PATTERNS = [
    "a$",
    "^a",
    r"\s",
    r"[\s]",
    r"[^\s]",
    r"\S",
    r"\d+$",
    r"\w",
    r"\bb",
    "(?i)ab",
    "(?s)a.b",
    "a.b",
    "a{,2}b",
    r"\$",
    "[$]",
    "[]$]",
    "[^]a]",
    r"[\]$]",
    r"a\Z",
    "a|b$",
    r"^\S+@\S+$",
    "(?P<word>a)+",
    "(?:ab)?$",
    r"\.",
    r"[a\\]$",
    r"\\$",
]
ALPHABET = "abAB@.$]\\^ \n\t\x0b\x1c\x85é٣日"


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Share one connection in memory."""
    with duckdb.connect() as connection:
        yield connection


@pytest.mark.parametrize("pattern", PATTERNS)
def test_both_engines_find_the_same(connection: duckdb.DuckDBPyConnection, pattern: str) -> None:
    """Line ends, white space, digits of other scripts: Python finds what RE2 finds, in all short texts."""
    spelled = to_re2(pattern)
    texts = ["".join(letters) for length in range(4) for letters in product(ALPHABET, repeat=length)]
    query = "SELECT regexp_matches(text, ?) FROM (SELECT unnest(?::VARCHAR[]) AS text)"
    found = [row[0] for row in connection.execute(query, [spelled, texts]).fetchall()]
    python = re.compile(to_python(spelled))
    assert [text for text, hit in zip(texts, found, strict=True) if bool(python.search(text)) != hit] == []


@pytest.mark.parametrize("pattern", ["a$", "[$]", "(?i)a", r"\s\S"])
def test_the_rule_keeps_what_the_user_wrote(pattern: str) -> None:
    """A pattern that RE2 reads as it stands is not rewritten."""
    assert to_re2(pattern) == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        "a**",
        "(?=a)",
        "(?!a)",
        "(?<=a)b",
        "(?<!a)b",
        r"(a)\1",
        "(?P<n>a)(?P=n)",
        "(?>a)",
        "a++",
        "(?x)a",
        "(?u)a",
        "(?m)a$",
        "a{2000}",
        "[[:alpha:]]",
        "[a[:alpha:]]",
        r"\u0041",
        r"\pL",
        r"\Qa\E",
        "[a--b]",
        "[[a]",
        "(?#a)b",
        "(?i)ü",
    ],
)
def test_what_the_engines_read_differently_is_refused(pattern: str) -> None:
    """A pattern of which one engine knows nothing, or something else, is an error with a reason."""
    with pytest.raises(PatternError, match=r"\S"):
        to_re2(pattern)
