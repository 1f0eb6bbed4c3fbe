"""Bytes to text: what can be read is text, what cannot has a reason."""

import pyarrow as pa
import pytest

from mend.curate.decode import decode_json, key_text

pytestmark = pytest.mark.spark

VALUES: dict[bytes | None, tuple[str | None, str | None]] = {
    b"{}": ("{}", None),
    b"\xc3\xa9\xf0\x9f\x98\x80\0": ("é😀\0", None),
    b"not JSON": ("not JSON", None),
    b"": (None, "empty"),
    None: (None, "tombstone"),
    b"\xff": (None, "not_utf8"),
    b"\xed\xa0\x80": (None, "not_utf8"),
    b"\xc3": (None, "not_utf8"),
}


def test_each_value_has_a_text_or_a_reason() -> None:
    """One bad value does not spoil the others of its batch."""
    texts, reasons = decode_json(pa.array(list(VALUES), pa.binary()))
    assert list(zip(texts.to_pylist(), reasons.to_pylist(), strict=True)) == list(VALUES.values())


@pytest.mark.parametrize("value", list(VALUES))
def test_a_value_alone_is_judged_the_same(value: bytes | None) -> None:
    """The way for batches that are all UTF-8 and the way for others agree."""
    texts, reasons = decode_json(pa.array([value], pa.binary()))
    assert (texts[0].as_py(), reasons[0].as_py()) == VALUES[value]


def test_no_values_are_no_texts() -> None:
    """An empty batch decodes to nothing."""
    texts, reasons = decode_json(pa.array([], pa.binary()))
    assert (len(texts), len(reasons)) == (0, 0)


def test_keys_are_shown_and_never_dropped() -> None:
    """A key that is not UTF-8 is escaped, a missing one stays missing."""
    keys = [b"a", None, b"", b"\xffz"]
    assert key_text(pa.array(keys, pa.binary())).to_pylist() == ["a", None, "", r"\xffz"]
    assert key_text(pa.array(keys[:3], pa.binary())).to_pylist() == ["a", None, ""]


def test_the_header_of_a_registry_is_taken_away() -> None:
    """JSON behind a zero byte and an id is the JSON; text never begins with a zero byte."""
    values = [b'\0\0\0\1\2{"x":1}', b'{"x":2}', b"\0\0\0", None, b"\0\0\0\0\1\xff"]
    texts, reasons = decode_json(pa.array(values, pa.binary()))
    assert texts.to_pylist() == ['{"x":1}', '{"x":2}', "\0\0\0", None, None]
    assert reasons.to_pylist() == [None, None, None, "tombstone", "not_utf8"]


def test_a_header_among_many_short_records_is_taken_away() -> None:
    """One record behind a registry's header, and others that are shorter than a header, each as it came."""
    payload, reasons = decode_json(pa.array([b"\0\0\0\0\x01{}", b"12345", b"", None, *[b"{}"] * 20], pa.binary()))
    assert payload.to_pylist() == ["{}", "12345", None, None, *["{}"] * 20]
    assert reasons.to_pylist() == [None, None, "empty", "tombstone", *[None] * 20]
