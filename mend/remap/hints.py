"""Columns that say how others are counted: where one of them changed, numbers beside it may mean something else. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from mend.contracts.matching import Kind
from mend.remap.names import read_name
from mend.remap.numbers import Difference
from mend.remap.profile import Profile
from mend.remap.silent import Changed

WORDS: dict[Kind, frozenset[str]] = {
    "currency": frozenset({"currency"}),
    "unit": frozenset({"unit", "uom", "measure", "scale"}),
    "time_zone": frozenset({"timezone", "zone", "offset", "utcoffset"}),
}
COUNTED: dict[Kind, str] = {"currency": "number", "unit": "number", "time_zone": "time"}


def hinted(changed: Sequence[Changed], old: Mapping[str, Profile]) -> dict[str, Difference]:
    """Return the old columns whose values a changed column says to be counted otherwise now."""
    found: dict[str, Difference] = {}
    for one in changed:
        for kind, words in WORDS.items():
            if not words.isdisjoint(read_name(one.path).words) and old[one.path].kind == "text":
                why = f"'{one.path}' beside it has other values than before"
                found |= {path: Difference(kind, why) for path in counted(kind, old)}
    return found


def counted(kind: Kind, columns: Mapping[str, Profile]) -> Iterable[str]:
    """Return the columns that a unit, a currency or a zone could be of."""
    for path, one in columns.items():
        sums = kind != "currency" or read_name(path).money or one.decimals > 0
        if one.kind == COUNTED[kind] and not one.sequence and not one.epoch and sums:
            yield path
