"""Cases written by hand: what the generated ones do not have."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa

from tests.remap_cases import values as v
from tests.remap_cases.case import Case

Columns = dict[str, Any]
MANY = 300


def rows(seed: int, **make: v.Make) -> Columns:
    """Make columns of one source of chance."""
    chance = Random(seed)
    return {name: one(chance, MANY) for name, one in make.items()}


def case(name: str, kind: str, old: Columns, new: Columns, **truth: Any) -> Case:
    """Return a case of plain columns."""
    return Case(name=name, kind=kind, old=pa.table(old), new=pa.table(new), **truth)


def handmade_cases() -> Iterator[Case]:
    """Return all of them."""
    for one in (
        nested,
        types,
        moments,
        codes,
        twins_and_others,
        numbered,
        counted_from_nought,
        foreign,
        moved_meaning,
        wide_numbers,
        shops,
        lists,
    ):
        yield from one()


def pack(found: Columns) -> list[Any]:
    """Return columns as records."""
    return [dict(zip(found, one, strict=True)) for one in zip(*found.values(), strict=True)]


def deep(found: list[Any], name: str) -> list[Any]:
    """Put values inside two records."""
    return [{"b": {name: one}} for one in found]


def nested() -> Iterator[Case]:
    """Records that were renamed, flattened, or whose members were taken from one another."""
    old, new = (
        rows(1, city=v.pick("Rome", "Oslo", "Bonn"), zip=v.tagged("4", 4)),
        rows(2, city=v.pick("Rome", "Oslo", "Bonn"), zip=v.tagged("4", 4)),
    )
    yield case(
        "a record is renamed", "nested", {"address": pack(old)}, {"addr": pack(new)},
        renamed={"address.city": "addr.city", "address.zip": "addr.zip"}, quiet=True,
    )  # fmt: skip
    yield case(
        "a record is flattened", "nested", {"address": pack(old)}, {"address_city": new["city"], "address_zip": new["zip"]},
        renamed={"address.city": "address_city", "address.zip": "address_zip"}, quiet=True,
    )  # fmt: skip
    yield case("billing becomes shipping", "drop and add", {"billing": pack(old)}, {"shipping": pack(new)})
    mails = rows(3, email=v.email)["email"]
    yield case(
        "a member deep inside is abbreviated", "nested", {"a": deep(mails[:150], "emailAddress")}, {"a": deep(mails[150:], "email")},
        renamed={"a.b.emailAddress": "a.b.email"}, quiet=True,
    )  # fmt: skip


def types() -> Iterator[Case]:
    """Types that are declared, with values that look the same."""
    amounts = rows(4, amount=v.lognormal(50, 0.6))["amount"]
    exact = pa.array([Decimal(str(one)) for one in amounts], pa.decimal128(12, 2))
    short = pa.array([Decimal(str(round(one, 1))) for one in amounts], pa.decimal128(12, 1))
    yield case("a decimal loses a digit", "narrowing", {"amount": exact}, {"amt": short}, changed={"amount": "amt"})
    yield case(
        "a decimal becomes binary", "other type", {"amount": exact}, {"amount": amounts}, told=frozenset({"amount"})
    )
    counts = pa.array(range(MANY), pa.int64())
    yield case(
        "a count becomes narrower",
        "narrowing",
        {"hits": counts},
        {"hits": counts.cast(pa.int16())},
        told=frozenset({"hits"}),
    )
    yield case("a count becomes wider", "widening", {"hits": counts.cast(pa.int16())}, {"hits": counts}, quiet=True)
    yield case(
        "numbers become text",
        "other type",
        {"hits": counts},
        {"hit_count": counts.cast(pa.string())},
        changed={"hits": "hit_count"},
    )
    flags = rows(5, ok=v.pick(True, False))["ok"]
    yield case(
        "yes and no become 1 and 0",
        "other type",
        {"ok": flags},
        {"ok": [int(one) for one in flags]},
        told=frozenset({"ok"}),
    )
    holes = [None if at % 3 == 0 else at * 1.5 for at in range(MANY)]
    yield case(
        "a third is missing in both",
        "style",
        {"windSpeed": holes},
        {"wind_speed": holes[::-1]},
        renamed={"windSpeed": "wind_speed"},
        quiet=True,
    )
    full = [at * 1.5 for at in range(MANY)]
    yield case(
        "a third is missing now",
        "narrowing",
        {"windSpeed": full},
        {"wind_speed": holes},
        changed={"windSpeed": "wind_speed"},
    )


def moments() -> Iterator[Case]:
    """Moments: units, zones, days."""
    start = datetime(2025, 5, 1, tzinfo=UTC)
    chance = Random(6)
    found = [start + timedelta(seconds=chance.randrange(864000)) for _ in range(MANY)]
    zoned, bare = (
        pa.array(found, pa.timestamp("us", "UTC")),
        pa.array([one.replace(tzinfo=None) for one in found], pa.timestamp("us")),
    )
    yield case("a zone is dropped", "time zone", {"seen_at": zoned}, {"seen_at": bare}, told=frozenset({"seen_at"}))
    yield case(
        "local becomes UTC by name",
        "time zone",
        {"start_local": bare},
        {"start_utc": bare},
        changed={"start_local": "start_utc"},
    )
    yield case(
        "offsets are written", "time zone", {"ts": [f"{one:%Y-%m-%dT%H:%M:%S}" for one in found]},
        {"timestamp": [f"{one + timedelta(hours=2):%Y-%m-%dT%H:%M:%S}+02:00" for one in found]}, changed={"ts": "timestamp"},
    )  # fmt: skip
    yield case(
        "a moment becomes a day", "narrowing", {"placed": [f"{one:%Y-%m-%dT%H:%M:%S}" for one in found]},
        {"placed": [f"{one:%Y-%m-%d}" for one in found]}, told=frozenset({"placed"}),
    )  # fmt: skip
    counted = [int(one.timestamp()) for one in found]
    yield case(
        "seconds become written out",
        "epoch unit",
        {"created": counted},
        {"created_at": zoned},
        changed={"created": "created_at"},
    )
    yield case(
        "seconds become nanoseconds",
        "epoch unit",
        {"ts": counted},
        {"ts": [one * 10**9 for one in counted]},
        told=frozenset({"ts"}),
    )
    yield case(
        "the next days come", "synonym", {"id": list(range(MANY)), "created": counted},
        {"id": list(range(MANY, 2 * MANY)), "created_at": [one + 864000 for one in counted]}, renamed={"created": "created_at"}, quiet=True,
    )  # fmt: skip
    yield case(
        "a moment is split", "split", {"when": [f"{one:%Y-%m-%d %H:%M:%S}" for one in found]},
        {"day": [f"{one:%Y-%m-%d}" for one in found], "clock": [f"{one:%H:%M:%S}" for one in found]},
    )  # fmt: skip


def codes() -> Iterator[Case]:
    """Codes that are written otherwise."""
    pairs: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = [
        ("gender", "sex", ("m", "f"), ("male", "female")),
        ("country", "nation", ("DE", "FR", "IT"), ("Germany", "France", "Italy")),
        ("status", "state", ("open", "done"), ("OPEN", "DONE")),
        ("level", "lvl", ("1", "2", "3"), ("low", "mid", "high")),
        ("valid", "is_valid", ("Y", "N"), ("true", "false")),
    ]
    for old, new, before, after in pairs:
        yield case(
            f"{old} is coded otherwise",
            "encoding",
            rows(7, **{old: v.pick(*before)}),
            rows(8, **{new: v.pick(*after)}),
            changed={old: new},
        )
    yield case(
        "shares of codes move",
        "re-used name",
        rows(9, kind=v.pick("a", "b", weights=[9, 1])),
        rows(9, kind=v.pick("x", "y")),
        told=frozenset({"kind"}),
    )


def twins_and_others() -> Iterator[Case]:
    """Columns that could each be meant."""
    phones = rows(10, phone=v.phone)["phone"]
    yield case(
        "a phone at home and at work", "twins", {"phone": phones}, {"phone_home": phones, "phone_work": phones[::-1]}
    )
    yield case(
        "two old ones, one new", "twins", {"amount_total": full(1), "total_amount": full(2)}, {"amt_tot": full(3)}
    )
    yield case("fax goes, mobile comes", "drop and add", {"fax_number": phones}, {"mobile_number": phones[::-1]})
    yield case("start goes, end comes", "drop and add", {"start_date": days(1)}, {"end_date": days(2)})
    yield case("net goes, gross comes", "drop and add", {"net_amount": full(4)}, {"gross_amount": full(5)})
    yield case(
        "first goes, last comes",
        "drop and add",
        {"first_name": [one.split()[0] for one in v.person(Random(1), MANY)]},
        {"last_name": [one.split()[1] for one in v.person(Random(2), MANY)]},
    )
    mails = v.email(Random(3), 2 * MANY)
    yield case(
        "a copy under another name", "twins", {"email": mails[:MANY]}, {"e_mail": mails[MANY:], "reach": mails[MANY:]}
    )
    yield case("systolic goes, diastolic comes", "drop and add", {"bp_systolic": full(6)}, {"bp_diastolic": full(7)})


def full(seed: int) -> list[Any]:
    """Return amounts."""
    return v.lognormal(80, 0.4)(Random(seed), MANY)


def days(seed: int) -> list[Any]:
    """Return days."""
    return v.day(Random(seed), MANY)


def numbered() -> Iterator[Case]:
    """Many columns that numbers tell apart."""
    make: Callable[[int], list[Any]] = lambda at: v.normal(20, 3)(Random(at), MANY)  # noqa: E731
    names = range(1, 13)
    yield case(
        "twelve sensors are written out", "abbreviation", {f"s{at}": make(at) for at in names},
        {f"sensor_{at:02d}": make(at + 50) for at in names}, renamed={f"s{at}": f"sensor_{at:02d}" for at in names}, quiet=True,
    )  # fmt: skip
    yield case(
        "the same count from nought",
        "swap renamed",
        {f"q{at}": make(at) for at in range(1, 5)},
        {f"question_{at}": make(at + 50) for at in range(4)},
    )


def counted_from_nought() -> Iterator[Case]:
    """Number columns from nought, so that each name is that of its neighbour."""
    make: Callable[[int], list[Any]] = lambda at: v.uniform(20, 30, 1)(Random(at), MANY)  # noqa: E731
    yield case(
        "lines from nought",
        "swap renamed",
        {f"line{at}": make(at) for at in range(1, 5)},
        {f"line_{at}": make(at + 50) for at in range(4)},
    )


def foreign() -> Iterator[Case]:
    """Names of other languages, signs and lengths."""
    yield case(
        "accents",
        "style",
        {"Prénom": v.person(Random(1), MANY)},
        {"prenom": v.person(Random(2), MANY)},
        renamed={"Prénom": "prenom"},
        quiet=True,
    )
    yield case("no name at all", "no name", {"": full(1)}, {"value": full(2)})
    yield case(
        "the same rows under a strange name",
        "other name",
        {"k": list(range(MANY)), "wert": full(1)},
        {"k": list(range(MANY)), "zz9": full(1)},
        renamed={"wert": "zz9"},
        quiet=True,
    )
    yield case(
        "signs",
        "style",
        {"net weight (kg)": full(1)},
        {"net_weight_kg": full(2)},
        renamed={"net weight (kg)": "net_weight_kg"},
        quiet=True,
    )


def moved_meaning() -> Iterator[Case]:
    """Names that stay, with another meaning."""
    one = rows(11, status=v.pick("new", "paid"), owner=v.person, score=v.uniform(0, 1, 3))
    other = rows(12, status=v.pick("gold", "silver"), owner=v.email, score=v.uniform(0, 100, 1))
    yield case("three names are re-used", "re-used name", one, other, told=frozenset(one))
    yield case(
        "nothing changed",
        "nothing",
        one,
        rows(13, status=v.pick("new", "paid"), owner=v.person, score=v.uniform(0, 1, 3)),
        quiet=True,
    )
    turned = rows(14, x=v.normal(10, 1), y=v.normal(30, 2), z=v.normal(90, 4))
    yield case(
        "three columns turn",
        "swap",
        turned,
        {"x": turned["z"][::-1], "y": turned["x"][::-1], "z": turned["y"][::-1]},
        told=frozenset(turned),
    )


def wide_numbers() -> Iterator[Case]:
    """Numbers at the limits."""
    yield case("all the same", "no telling", {"a_flag": [1] * MANY}, {"b_code": [1] * MANY})
    yield case(
        "infinite and not a number",
        "style",
        {"peakLoad": [float("nan"), float("inf"), *full(1)]},
        {"peak_load": [float("-inf"), float("nan"), *full(2)]},
        renamed={"peakLoad": "peak_load"},
        quiet=True,
    )
    yield case(
        "large counts",
        "style",
        {"BigId": [2**60 + at for at in range(MANY)]},
        {"big_id": [2**60 + at for at in range(MANY)]},
        renamed={"BigId": "big_id"},
        quiet=True,
    )
    yield case(
        "bytes",
        "style",
        {"rawBytes": [bytes([at % 256, 7]) for at in range(MANY)]},
        {"raw_bytes": [bytes([at % 256, 7]) for at in range(MANY)]},
        renamed={"rawBytes": "raw_bytes"},
        quiet=True,
    )


def shops() -> Iterator[Case]:
    """A currency that only another column tells of."""
    prices = full(1)
    yield case(
        "the currency beside it changes", "currency", {"price": prices, "currency": ["EUR"] * MANY},
        {"price": [round(one * 1.03, 2) for one in full(2)], "currency": ["CHF"] * MANY}, told=frozenset({"currency", "price"}),
    )  # fmt: skip
    yield case(
        "the unit beside it changes", "unit", {"amount": prices, "uom": ["kg"] * MANY},
        {"quantity_amount": [round(one * 1.02, 2) for one in full(2)], "uom": ["lb"] * MANY}, changed={"amount": "quantity_amount"},
    )  # fmt: skip


def lists() -> Iterator[Case]:
    """Items of lists."""
    items = [[{"sku": f"s{at % 40}", "qty": at % 5 + 1} for at in range(one, one + 3)] for one in range(MANY)]
    renamed = [[{"sku": one["sku"], "quantity": one["qty"]} for one in found] for found in items]
    yield case(
        "a member of items is written out",
        "nested",
        {"items": items},
        {"items": renamed},
        renamed={"items[].qty": "items[].quantity"},
        quiet=True,
    )
