"""Errors are classed by what real systems say; the texts are made by hand in their formats."""

from pathlib import Path
from time import perf_counter

import pytest

from agent import causes
from mend.incidents.classes import UNKNOWN, ErrorKind, Lasting, Part, Side, classify, table

TEXTS = (Path(__file__).parent / "data" / "error_texts.txt").read_text().splitlines()
LABELLED = [(text, label) for label, text in (line.split(" | ", 1) for line in TEXTS if not line.startswith("#"))]
LABELLED.append(("", "unknown unknown unknown"))


@pytest.mark.parametrize(("text", "label"), LABELLED)
def test_an_error_is_classed_by_what_its_system_says(text: str, label: str) -> None:
    """Kind, whether it passes, and on which side it lies."""
    found = classify(text)
    assert f"{found.kind} {found.lasting} {found.side}" == label


def test_every_kind_and_side_is_met() -> None:
    """The labelled set has each kind of error and each side."""
    found = [classify(text) for text, _ in LABELLED]
    assert {one.kind for one in found} == set(ErrorKind)
    assert {one.side for one in found} == set(Side)


def test_only_what_passes_is_tried_again() -> None:
    """An error of both kinds is not retriable, neither is an unknown one; the agent asks the same table."""
    both = "connection refused: authentication failed"
    assert classify("connection refused").retriable
    assert not classify(both).retriable
    assert not UNKNOWN.retriable
    answers = {Lasting.TRANSIENT: "retriable", Lasting.DETERMINISTIC: "not_retriable", Lasting.UNKNOWN: "unknown"}
    for text, _ in LABELLED:
        assert causes.classify(text) == answers[classify(text).lasting]


def test_no_connection_to_kafka_is_the_brokers() -> None:
    """A refused connection lies at the broker when the text is about Kafka, else nobody knows where."""
    assert classify("Connection refused").part is Part.UNKNOWN
    assert classify("kafka: Connection refused").part is Part.BROKER


def test_the_error_is_found_at_either_end_of_a_long_text() -> None:
    """A Java trace names it first, a Python one last; a text of a megabyte takes no longer than its ends."""
    noise = "x" * 1_000_000
    began = perf_counter()
    assert classify(f"AnalysisException: no\n{noise}").lasting is Lasting.DETERMINISTIC
    assert classify(f"{noise}\nConnectionError: reset").lasting is Lasting.TRANSIENT
    assert perf_counter() - began < 2


@pytest.mark.parametrize(
    "piece", ["a", "0", " ", "a ", "expect_a", "schema registry", "column a", "kafka", 'near "', "\n"]
)
def test_no_text_makes_it_slow(piece: str) -> None:
    """Whatever is repeated, all rows are tried in a moment."""
    text = (piece * 40_000)[:32_000]
    began = perf_counter()
    for _, signs in table():
        signs.search(text)
    assert perf_counter() - began < 2
