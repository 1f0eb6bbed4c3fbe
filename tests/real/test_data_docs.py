"""The Data Docs of a run: one page that loads nothing from anywhere and in which texts stay texts."""

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.data_docs import render
from mend.quality.audit import audit, silence
from mend.quality.rules import load_rules

pytestmark = pytest.mark.dq

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVIL = '<img src=x onerror="alert(1)">'
RULES: list[dict[str, Any]] = [
    {"expectation_type": "expect_column_values_to_match_regex", "column": EVIL, "regex": "<b>*x*</b>${a}",
     "meta": {"notes": "<script>alert(1)</script> [x](https://evil.example) **bold**"}},
    {"expectation_type": "expect_column_values_to_be_in_set", "column": "b",
     "value_set": ["<script>", "</td>", "a&lt;b"]},
    {"expectation_type": "expect_column_values_to_not_be_null", "column": "gone<br>"},
    {"expectation_type": "expect_column_pair_values_a_to_be_greater_than_b", "column_A": "n", "column_B": EVIL},
    {"expectation_type": "expect_column_max_to_be_between", "column": "n", "max_value": 2},
    {"expectation_type": "expect_table_row_count_to_be_between", "within": 0.2, "min_runs": 2},
]  # fmt: skip
LOADS = {"src", "href", "data", "action", "poster", "srcset", "background", "formaction", "cite", "manifest"}


class Page(HTMLParser):
    """The tags, the addresses and the text of a page."""

    def __init__(self, page: str) -> None:
        """Read it."""
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: set[str] = set()
        self.events: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag and what it would load."""
        self.tags.add(tag)
        self.addresses |= {value or "" for name, value in attrs if name in LOADS}
        self.events += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.text += data


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the page of a run whose names, values, rules and notes are hostile."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "rules.yml").write_text(
        json.dumps({"suite": "<i>s</i>", "business_rules": {"a": {"expectations": RULES}}})
    )
    rows = pa.table({EVIL: ["secret", "b"], "b": ["<script>", None], "n": [1, 31337]})
    pq.write_table(rows, folder / "rows.parquet")
    rules, kept = load_rules(folder / "rules.yml"), folder / "ge_validation.json"
    audit([folder / "rows.parquet"], rules, run_id="r", now=NOW, history=[10, 10], keep=kept)
    with silence():
        return render(orjson.loads(kept.read_bytes()), run_id="run-<u>7</u>", pii=["n"])


def test_nothing_is_loaded(page: str) -> None:
    """No address but the icon in the page itself, its own sections and the run's page; no script, no import."""
    found = Page(page)
    assert {one for one in found.addresses if not one.startswith("#")} == {"data:,", "run.html"}
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)
    assert not found.tags & {"script", "iframe", "object", "embed", "img", "base", "form"}
    assert "default-src 'none'" in page


def test_texts_stay_texts(page: str) -> None:
    """Names, values, patterns, notes and the run's id are shown as they are, and become neither tags nor events."""
    found = Page(page)
    assert found.events == []
    assert "u" not in found.tags
    assert "<b>*" not in page
    for text in (EVIL, r"<b>*x*</b>\Z{a}", "<script>", "</td>", "a&lt;b", "gone<br>", "<i>s</i>", "run-<u>7</u>"):
        assert text in found.text, text


def test_all_expectations_are_there(page: str) -> None:
    """Failed, unknown and passed ones, with their counts; the volume with its bounds."""
    text = re.sub(r"\s+", " ", Page(page).text)
    assert "Evaluated Expectations6" in text
    assert "raised an exception" in text
    assert "Must have greater than or equal to 8 and less than or equal to 12 rows" in text


def test_values_of_personal_columns_and_places_of_the_machine_are_left_out(page: str) -> None:
    """The greatest value of a `pii` column is not shown, nor is a stack trace."""
    assert "31337" not in page
    assert "Traceback" not in page
    assert str(Path(__file__).parents[2]) not in page
