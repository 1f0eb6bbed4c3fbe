"""A pipeline file: every error names file, line and the nearest valid name."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest
from mend.runtime.pipeline_file import Retention, StormLimits, find_pipeline, load_pipeline

pytestmark = pytest.mark.spark

ORDERS = Path(__file__).parent / "data" / "orders" / "orders.yml"
SHIPPED = Path(__file__).parents[2] / "pipelines"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a copy of a good pipeline's files."""
    for file in ORDERS.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def changed(folder: Path, before: str, after: str) -> Path:
    """Change the text of the pipeline file."""
    path = folder / ORDERS.name
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))
    return path


def test_all_keys_are_read() -> None:
    """Names, durations, shares; paths are absolute and relative to the file."""
    found = load_pipeline(ORDERS)
    assert (found.name, found.topic, found.format) == ("orders", "shop.orders", "json")
    assert (found.key, found.event_time, found.segments) == (("order_no", "line"), "placed_at", ("channel",))
    assert (found.lateness, found.pii) == (timedelta(hours=1), frozenset({"billing", "shipping"}))
    assert (found.drift.additive, found.drift.breaking) == (0.1, 0.5)
    assert found.rules_path == ORDERS.parent / "orders_rules.yml"
    assert (found.source("channel"), found.source("line")) == ("via", "line")
    assert list(found.derived) == ["cents", "pieces", "town"]


def test_defaults(folder: Path) -> None:
    """Six keys are enough for a pipeline."""
    path = folder / "small.yml"
    keys = "pipeline: small\ntopic: t\nschema: orders.v1.avsc\nkey: [line]\nevent_time: placed_at\nrules: r.yml\n"
    path.write_text(keys)
    found = load_pipeline(path)
    assert (found.format, found.mapping, found.derived, found.segments) == ("json", {}, {}, ())
    assert (found.lateness, found.duplicate_horizon) == (timedelta(minutes=15), timedelta(days=7))
    assert (found.drift.additive, found.drift.breaking, found.max_events_per_run) == (0.001, 0.2, 4_000_000)


def test_the_shipped_pipeline_is_good() -> None:
    """The contract starts with the eight fields of version 1."""
    found = load_pipeline(SHIPPED / "customers.yml")
    assert len(found.schema.fields) == 8
    assert found.lateness == timedelta(minutes=15)


BAD: dict[str, tuple[str, str, int, str]] = {
    "an unknown key": ("lateness:", "latenes:", 10, "unknown key 'latenes'. Did you mean 'lateness'?"),
    "a missing key": ("topic: shop.orders\n", "", 2, "'topic' is missing"),
    "a key twice": ("lateness: 1 hour", "topic: other", 10, "'topic' stands there twice"),
    "a column twice": ("  town:", "  cents:", 16, "'cents' stands there twice"),
    "a field that is not there": ("[order_no, line]", "[order_on]", 8, "no field 'order_on' in the contract. Did you"),
    "no key": ("[order_no, line]", "[]", 8, "expected at least one field"),
    "a key of null": ("[order_no, line]", "null", 8, "expected at least one field"),
    "a key that may be null": ("[order_no, line]", "[order_no, weight]", 8, "'weight' may be null"),
    "a key as text": ("[order_no, line]", "order_no", 8, "expected a list of names"),
    "an unknown segment": ("[channel]", "[chanel]", 11, "Did you mean 'channel'?"),
    "unknown personal data": ("[billing, shipping]", "[biling]", 12, "Did you mean 'billing'?"),
    "an unknown event time": ("event_time: placed_at", "event_time: placed", 9, "Did you mean 'placed_at'?"),
    "an event time that is none": ("event_time: placed_at", "event_time: line", 9, "'line' is int, expected a string"),
    "an event time that may be null": ("event_time: placed_at", "event_time: weight", 9, "'weight' may be null"),
    "an event time as list": ("event_time: placed_at", "event_time: [placed_at]", 9, "expected a text"),
    "an unknown format": ("topic: shop.orders", "topic: t\nformat: jsno", 4, "Did you mean 'json'?"),
    "a topic that is none": ("shop.orders", "shop orders", 3, "not a topic's name"),
    "a name that is none": ("pipeline: orders", "pipeline: Orders 1", 2, "'Orders 1' is not a name"),
    "a length of time without unit": ("1 hour", "60", 10, "'60' is no length of time"),
    "a length of time beyond all": ("1 hour", "99999999999 days", 10, "no length of time"),
    "a share above one": ("breaking: 0.5", "breaking: 20", 19, "expected a share"),
    "a share of nothing": ("breaking: 0.5", "breaking: 0", 19, "expected a share"),
    "a share as text": ("breaking: 0.5", "breaking: much", 19, "expected a share"),
    "an unknown share": ("breaking: 0.5", "braking: 0.5", 19, "Did you mean 'breaking'?"),
    "shares as a number": ("drift:\n  additive: 0.1\n  breaking: 0.5", "drift: 5", 17, "expected additive"),
    "a derived column like a field": ("  town:", "  Billing:", 16, "has the name of a contract field"),
    "a derived column with a sign": ("  town:", "  to/wn:", 16, "'to/wn' is not a name"),
    "a derived column that is a number": ("  pieces: len(items)", "  pieces: 5", 15, "expected a text"),
    "derived columns as a list": ("mapping:\n  channel: via", "mapping: [channel]", 6, "expected name: text"),
    "a mapping of no field": ("  channel: via", "  chanel: via", 6, "Did you mean 'channel'?"),
    "a source of two fields": ("  channel: via", "  channel: line", 7, "'line' feeds both"),
    "a schema that is not there": ("orders.v1.avsc", "order.avsc", 4, "order.avsc cannot be read"),
    "events by the half": ("topic: shop.orders", "topic: t\nmax_events_per_run: 0.5", 4, "whole number above 0"),
    "unknown fields as asked": ("topic: shop.orders", "topic: t\nunknown_fields: keeep", 4, "Did you mean 'keep'?"),
    "dead letters into the topic itself": ("topic: shop.orders", "topic: t\ndead_letter_topic: t", 4, "come back"),
    "a dead-letter topic that is none": ("topic: shop.orders", "topic: t\ndead_letter_topic: a b", 4, "a topic's name"),
    "a storm as a number": ("topic: shop.orders", "topic: t\nstorm: 5", 4, "expected share, events and run, or false"),
    "an unknown limit of storms": ("topic: shop.orders", "topic: t\nstorm: {shar: 1}", 4, "Did you mean 'share'?"),
    "a storm beyond all": ("topic: shop.orders", "topic: t\nstorm: {share: 50}", 4, "a share above 0 up to 1"),
    "a storm of half a run": ("topic: shop.orders", "topic: t\nstorm: {run: 0.5}", 4, "a whole number above 0"),
    "no YAML": ("key: [order_no, line]", "key: [order_no", 9, "not YAML"),
}  # fmt: skip


def test_dead_letters_go_where_the_file_says(folder: Path) -> None:
    """Nowhere by default; `true` is the topic's own name with `.dlq`."""
    assert load_pipeline(folder / ORDERS.name).dead_letter_topic is None
    path = changed(folder, "topic: shop.orders", "topic: shop.orders\ndead_letter_topic: true")
    assert load_pipeline(path).dead_letter_topic == "shop.orders.dlq"


def test_storms_are_looked_for_unless_it_is_said(folder: Path) -> None:
    """One limit may be set for itself; `false` switches them off."""
    path = changed(folder, "topic: shop.orders", "topic: shop.orders\nstorm: {run: 7}")
    assert load_pipeline(path).storm == StormLimits(share=0.5, events=1_000, run=7)
    path.write_text(path.read_text().replace("storm: {run: 7}", "storm: false\ndead_letter_topic: other"))
    assert (load_pipeline(path).storm, load_pipeline(path).dead_letter_topic) == (None, "other")


@pytest.mark.parametrize("case", BAD)
def test_an_error_names_file_line_and_what_was_meant(folder: Path, case: str) -> None:
    """Every kind of mistake is one line that a person can act on."""
    before, after, line, words = BAD[case]
    path = changed(folder, before, after)
    with pytest.raises(UserError) as caught:
        load_pipeline(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: "), message
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "5", "[a]", "null"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    """Anything but keys and values."""
    path = tmp_path / "p.yml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"p\.yml:1: expected keys and values"):
        load_pipeline(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, a folder, or not UTF-8."""
    (tmp_path / "latin.yml").write_bytes(b"pipeline: caf\xe9")
    for name in ("missing.yml", ".", "latin.yml"):
        with pytest.raises(UserError, match=r"cannot be read|is not UTF-8"):
            load_pipeline(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "words"), [("{", "orders.v1.avsc: "), ('{"type":"enum"}', "expected an Avro record")]
)
def test_a_schema_that_is_none_is_named(folder: Path, content: str, words: str) -> None:
    """The error names the schema's file."""
    (folder / "orders.v1.avsc").write_text(content)
    with pytest.raises(UserError) as caught:
        load_pipeline(folder / ORDERS.name)
    assert words in str(caught.value)
    assert str(folder / "orders.v1.avsc") in str(caught.value)


def test_a_pipeline_is_found_by_name_or_file(folder: Path) -> None:
    """An unknown name is answered with the nearest one, or with all of them."""
    assert find_pipeline(folder, "orders") == folder / "orders.yml"
    assert find_pipeline(SHIPPED, str(folder / "orders.yml")) == folder / "orders.yml"
    with pytest.raises(UserError, match="Did you mean 'customers'"):
        find_pipeline(SHIPPED, "customer")
    with pytest.raises(UserError, match="Valid: customers"):
        find_pipeline(SHIPPED, "zzz")


@pytest.mark.parametrize(
    ("name", "valid", "hint"),
    [
        ("kee", ["key", "keep"], " Did you mean 'keep'?"),
        ("x", ["b", "a"], " Valid: a, b."),
        ("KEY", ["key"], " Valid: key."),
    ],
)
def test_the_nearest_name(name: str, valid: list[str], hint: str) -> None:
    """The closest name, else all of them in order."""
    assert nearest(name, valid) == hint


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("30 days", Retention(published=timedelta(days=30))),
        (
            "{published: 1 day, duplicates: 12 hours}",
            Retention(published=timedelta(days=1), duplicates=timedelta(hours=12)),
        ),
        ("{}", Retention()),
    ],
)
def test_retention_is_one_age_or_several(folder: Path, value: str, expected: Retention) -> None:
    """Alone it is that of published rows; what is not named is kept."""
    path = changed(folder, "\nlateness:", f"\nretention: {value}\nlateness:")
    assert load_pipeline(path).retention == expected


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("soon", "retention: 'soon' is no length of time"),
        ("{reports: never}", "retention.reports: 'never' is no length of time"),
        ("{publised: 1 day}", "Did you mean 'published'?"),
    ],
)
def test_a_wrong_retention_names_its_place(folder: Path, value: str, told: str) -> None:
    """A misspelt age must not keep data for ever, nor delete them at once."""
    with pytest.raises(UserError, match=re.escape(told)):
        load_pipeline(changed(folder, "\nlateness:", f"\nretention: {value}\nlateness:"))
