"""What may happen to a column between two samples, and what is true then. Each change makes a case of a table."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from tests.remap_cases import values as v
from tests.remap_cases.domains import Spec

UNITS: dict[str, tuple[float, float, str, str]] = {
    "celsius": (1.8, 32, "_c", "_f"), "share": (100, 0, "_fraction", "_pct"), "metre": (3.28084, 0, "_m", "_ft"),
    "kilogram": (2.204623, 0, "_kg", "_lb"), "kilometre": (0.621371, 0, "_km", "_mi"), "second": (1000, 0, "_s", "_ms"),
    "byte": (1 / 1024, 0, "_bytes", "_kb"), "hpa": (0.0145038, 0, "_hpa", "_psi"), "money": (100, 0, "_eur", "_cents"),
    "millimetre": (0.0393701, 0, "_mm", "_in"), "mmol": (18.0182, 0, "_mmol", "_mgdl"), "kilowatt": (1000, 0, "_kwh", "_wh"),
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Draft:
    """Columns of both samples while a case is made; `specs` are those that nothing happened to yet."""

    chance: Random
    old: dict[str, list[Any]]
    new: dict[str, list[Any]]
    specs: list[Spec]
    domain: str
    renamed: dict[str, str] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    sure: bool = True
    same_rows: bool = False

    def take(self, *counts: str, texts: bool = False) -> Spec | None:
        """Take a column that nothing happened to, of the kinds asked for."""
        fit = [
            one for one in self.specs
            if (not counts or one.counts in counts) and (not texts or isinstance(self.old[one.name][0], str))
        ]  # fmt: skip
        if not fit:
            return None
        found = self.chance.choice(fit)
        self.specs.remove(found)
        return found

    def rename(self, old: str, new: str) -> None:
        """Rename a column of the new sample where it stands."""
        self.new = {new if name == old else name: values for name, values in self.new.items()}

    def write(self, name: str, how: Callable[[Any], Any]) -> None:
        """Write the values of a column of the new sample otherwise."""
        self.new[name] = [how(one) for one in self.new[name]]


Change = Callable[[Draft], bool]
"""Changes a draft; False where the domain has no column for it."""


def cased(name: str, chance: Random) -> str:
    """Write a name in another style."""
    words = re.split("_", name)
    camel = words[0] + "".join(one.title() for one in words[1:])
    ways = [
        camel,
        camel[:1].upper() + camel[1:],
        name.upper(),
        "-".join(words),
        "".join(words),
        " ".join(words).title(),
    ]
    return chance.choice([one for one in ways if one != name])


def style(draft: Draft) -> bool:
    """Rename by style only."""
    return plain(draft, lambda one: cased(one.name, draft.chance))


def short(draft: Draft) -> bool:
    """Rename to an abbreviation, or from one."""
    return plain(draft, lambda one: one.short)


def like(draft: Draft) -> bool:
    """Rename to another word."""
    return plain(draft, lambda one: one.like)


def prefixed(draft: Draft) -> bool:
    """Rename by putting a word before it."""
    word = draft.chance.choice([draft.domain, "src", draft.domain[:3]])
    return plain(draft, lambda one: f"{word}_{one.name}")


def all_prefixed(draft: Draft) -> bool:
    """Put a word before every name."""
    for one in draft.specs:
        draft.rename(one.name, f"tbl_{one.name}")
        draft.renamed[one.name] = f"tbl_{one.name}"
    draft.specs = []
    return True


def plain(draft: Draft, name: Callable[[Spec], str]) -> bool:
    """Rename one column."""
    one = draft.take()
    to = one and name(one)
    if one is None or to is None or to in draft.new:
        return False
    draft.rename(one.name, to)
    draft.renamed[one.name] = to
    return True


def several(draft: Draft) -> bool:
    """Rename three columns in different ways."""
    return all([style(draft), short(draft), like(draft)])


def everything(draft: Draft) -> bool:
    """Rename all columns."""
    while draft.specs:
        draft.chance.choice([style, short, like])(draft)
    return True


def moved(draft: Draft) -> bool:
    """Rename one and put the columns in another order."""
    done = draft.chance.choice([style, short, like])(draft)
    names = list(draft.new)
    draft.chance.shuffle(names)
    draft.new = {name: draft.new[name] for name in names}
    return done


def nested(draft: Draft) -> bool:
    """Put two columns into a record."""
    one, other = draft.take(), draft.take()
    if one is None or other is None:
        return False
    parts = [draft.new.pop(each.name) for each in (one, other)]
    draft.new["details"] = [dict(zip((one.name, other.name), row, strict=True)) for row in zip(*parts, strict=True)]
    draft.renamed |= {each.name: f"details.{each.name}" for each in (one, other)}
    return True


def told_or_renamed(draft: Draft, one: Spec, cue: str = "") -> bool:
    """Leave the name, or give one that says what changed, or one that does not."""
    to = draft.chance.choice([one.name, one.name, one.name + cue, one.short, one.like, cased(one.name, draft.chance)])
    if to == one.name:
        draft.told.add(one.name)
    else:
        draft.rename(one.name, to)
        draft.changed[one.name] = to
    return True


def unit(draft: Draft) -> bool:
    """Count in another unit."""
    one = draft.take(*UNITS)
    if one is None:
        return False
    factor, offset, before, after = UNITS[one.counts]
    draft.write(one.name, lambda value: round(value * factor + offset, 3))
    if draft.chance.random() < 0.3:
        draft.old = {one.name + before if name == one.name else name: found for name, found in draft.old.items()}
        draft.rename(one.name, one.name + after)
        draft.changed[one.name + before] = one.name + after
        return True
    return told_or_renamed(draft, one, after)


def currency(draft: Draft) -> bool:
    """Count in another currency."""
    one = draft.take("money")
    if one is None:
        return False
    rate = draft.chance.choice([1.09, 0.86, 151.3, 7.46, 1.34])
    draft.write(one.name, lambda value: round(value * rate, 2))
    return told_or_renamed(draft, one, "_usd")


def epoch(draft: Draft) -> bool:
    """Count moments in milliseconds."""
    one = draft.take("epoch")
    if one is None:
        return False
    draft.write(one.name, lambda value: value * 1000)
    return told_or_renamed(draft, one, "_ms")


def zone(draft: Draft) -> bool:
    """Write moments in another zone."""
    one = draft.take("moment", "epoch")
    if one is None:
        return False
    hours = draft.chance.choice([-8, -5, 5, 6, 9])
    seconds = one.counts == "epoch"
    draft.write(one.name, lambda value: value + (3600 * hours if seconds else timedelta(hours=hours)))
    return told_or_renamed(draft, one, "_utc")


def written(how: Callable[[Any], Any], cue: str) -> Change:
    """Return a change that writes texts otherwise."""

    def change(draft: Draft) -> bool:
        one = draft.take("id", "person", "email", "phone", "ip", texts=True)
        if one is None:
            return False
        draft.write(one.name, how)
        return told_or_renamed(draft, one, cue)

    return change


def split(draft: Draft) -> bool:
    """Split a name in two."""
    one = draft.take("person")
    if one is None:
        return False
    names = [value.split() for value in draft.new.pop(one.name)]
    draft.new |= {"first_name": [found[0] for found in names], "last_name": [found[1] for found in names]}
    return True


def merge(draft: Draft) -> bool:
    """Merge two codes into one column."""
    one, other = draft.take("code"), draft.take("code")
    if one is None or other is None:
        return False
    parts = [draft.new.pop(each.name) for each in (one, other)]
    to = draft.chance.choice([f"{one.name}_{other.name}", f"{one.name}_full", "label"])
    draft.new[to] = [" ".join(row) for row in zip(*parts, strict=True)]
    return True


def swap(draft: Draft) -> bool:
    """Swap the values of two columns under their names."""
    one = draft.take()
    other = one and draft.take(one.counts)
    if one is None or other is None:
        return False
    draft.new[one.name], draft.new[other.name] = draft.new[other.name], draft.new[one.name]
    draft.told |= {one.name, other.name}
    return True


def swap_renamed(draft: Draft) -> bool:
    """Swap two columns and write their names otherwise."""
    one = draft.take("money", "count", "share", "kilogram", "metre", "code")
    other = (
        draft.take("code")
        if one and one.counts == "code"
        else draft.take("money", "count", "share", "kilogram", "metre")
    )
    if one is None or other is None:
        return False
    for each, to in ((one, other.short), (other, one.short)):
        draft.rename(each.name, to)
    return True


def reuse(draft: Draft) -> bool:
    """Use a name for another thing."""
    one = draft.take()
    if one is None:
        return False
    kinds = [v.person, v.email, v.whole(1, 5), v.lognormal(4e5, 1, 0), v.pick("on", "off"), v.sentence]
    fit = [make for make in kinds if type(make(draft.chance, 1)[0]) is type(draft.old[one.name][0])] or [v.uuids()]
    draft.new[one.name] = draft.chance.choice(fit)(draft.chance, len(draft.new[one.name]))
    draft.told.add(one.name)
    return True


def reuse_moved(draft: Draft) -> bool:
    """Move the values to a new name, and use the old one for another thing."""
    one = draft.take("id", "person", "money", "email", "code")
    if one is None:
        return False
    draft.new[f"{one.name}_original"] = draft.new[one.name]
    draft.specs.append(one)
    others = [each for each in draft.specs if each is not one]
    draft.specs = [one]
    done = reuse(draft)
    draft.specs = others
    return done


def twins(draft: Draft) -> bool:
    """Put two columns in the place of one: copies, or rows like each other's."""
    one = draft.take()
    if one is None:
        return False
    values = draft.new.pop(one.name)
    again = list(values) if draft.chance.random() < 0.6 else draft.chance.sample(values, len(values))
    pairs = [
        (f"{one.name}_a", f"{one.name}_b"),
        (f"{one.short}_1", f"{one.short}_2"),
        (f"main_{one.name}", f"second_{one.name}"),
    ]
    first, second = draft.chance.choice(pairs)
    draft.new |= {first: values, second: again}
    if draft.same_rows and again != values:  # the same rows say which of the two it is
        draft.renamed[one.name], draft.sure = first, False
    return True


def retype(draft: Draft) -> bool:
    """Write numbers as text, or the other way, with a sign of another kind."""
    one = draft.take("money", "count", "metre", "kilogram", "share")
    if one is None:
        return False
    draft.write(one.name, str if draft.chance.random() < 0.5 else lambda value: f"{value} u")
    return told_or_renamed(draft, one)


def narrow(draft: Draft) -> bool:
    """Cut digits off, or the ends of texts."""
    one = draft.take("money", "kilogram", "share", "person", "text")
    if one is None:
        return False
    text, before = isinstance(draft.old[one.name][0], str), draft.new[one.name]
    draft.write(one.name, (lambda value: value[:8]) if text else (lambda value: float(round(value, 0))))
    return draft.new[one.name] != before and told_or_renamed(draft, one)


def personal(draft: Draft) -> bool:
    """Put another kind of personal data in a column, or take it for none."""
    one = draft.take("email", "phone", "person", "ip")
    if one is None:
        return False
    if draft.chance.random() < 0.5:
        draft.facts = {"old": {one.name: "true"}, "new": {one.name: "false"}}
        draft.told.add(one.name)
        return True
    make = v.phone if one.counts != "phone" else v.email
    draft.new[one.name] = make(draft.chance, len(draft.new[one.name]))
    return told_or_renamed(draft, one)


STRANGERS = [
    ("loyalty_points", v.whole(0, 900)), ("partner_code", v.tagged("X", 4)), ("survey_score", v.uniform(0, 1, 3)),
    ("campaign", v.pick("spring", "fall", "summer")), ("is_trial", v.pick(True, False)), ("backup_email", v.email),
    ("approved_by", v.person), ("reviewed_at", v.moment), ("tax_amount", v.lognormal(9, 0.8)), ("fax", v.phone),
    ("trace_id", v.uuids()), ("note", v.sentence), ("weight_limit", v.lognormal(20, 0.7)), ("origin_city", v.pick("Rome", "Oslo", "Bonn", "Graz", "Lyon")),
]  # fmt: skip


def drop_add(draft: Draft) -> bool:
    """Drop a column and add another one, of the same type where there is one."""
    one = draft.take()
    if one is None:
        return False
    many = len(draft.new.pop(one.name))
    fit = [(name, make) for name, make in STRANGERS if type(make(draft.chance, 1)[0]) is type(draft.old[one.name][0])]
    name, make = draft.chance.choice(fit or STRANGERS)
    draft.new[name] = make(draft.chance, many)
    return True


def with_good(change: Change) -> Change:
    """Return a change beside a plain rename."""

    def both(draft: Draft) -> bool:
        return change(draft) and (draft.chance.random() < 0.5 or draft.chance.choice([style, short, like])(draft))

    return both


def without(rows: int, *, nulls: bool = False) -> Change:
    """Return a change that renames and leaves few rows, or none of the values."""

    def change(draft: Draft) -> bool:
        done = draft.chance.choice([style, short, like, unit])(draft)
        draft.sure = False
        for side in (draft.old, draft.new):
            for name in side:
                side[name] = side[name][:rows] if rows >= 0 else side[name]
        if nulls:
            draft.new = {name: [None] * len(found) for name, found in draft.new.items()}
        draft.told.clear()
        return done

    return change


GOOD: dict[str, Change] = {
    "style": style, "abbreviation": short, "synonym": like, "prefix": prefixed, "prefix of all": all_prefixed,
    "several": several, "everything": everything, "other order": moved, "into a record": nested,
}  # fmt: skip
BAD: dict[str, Change] = {
    "unit": with_good(unit), "currency": with_good(currency), "epoch unit": with_good(epoch), "time zone": with_good(zone),
    "hashing": with_good(written(v.digest, "_hash")), "encoding": with_good(written(v.encoded, "_b64")),
    "masking": with_good(written(v.masked, "_masked")), "split": with_good(split), "merge": with_good(merge),
    "swap": with_good(swap), "swap renamed": swap_renamed, "re-used name": with_good(reuse), "re-used, moved": with_good(reuse_moved),
    "twins": with_good(twins), "other type": with_good(retype), "narrowing": with_good(narrow), "personal data": with_good(personal),
    "drop and add": with_good(drop_add), "no rows": without(0), "all null": without(-1, nulls=True), "tiny": without(6),
}  # fmt: skip
