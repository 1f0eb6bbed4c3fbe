"""Values of made-up columns: each function returns a function of a random source and a number of rows."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

Make = Callable[[Random, int], list[Any]]
FIRST = (
    "Ann Bob Carla Dan Eva Finn Gina Hugo Ida Jon Kim Leo Mia Nils Olga Paul Rosa Sven Tina Uwe Vera Walt Xenia Yann Zoe "
    "Amir Bea Cleo Dora Emil"
).split()
LAST = (
    "Adler Berg Costa Dunn Evans Fox Gray Hahn Ito Jones Klein Lopez Meyer Novak Olsen Peters Quinn Rossi Smith Tran Ueda "
    "Vogel Weber Xu Young Zuber Brandt Cohen Diaz Ferrari"
).split()
WORDS = (
    "late early broken fine sent again please check the box door was left open near stairs customer called back no reply "
    "replaced part under warranty works now needs review urgent blue red green slow fast cold hot"
).split()
DAY_ZERO = datetime(2025, 3, 1, tzinfo=UTC)


def sequence(first: int) -> Make:
    """Count up."""
    return lambda _, many: list(range(first, first + many))


def tagged(prefix: str, digits: int) -> Make:
    """A prefix and a random number."""
    return lambda chance, many: [f"{prefix}{one:0{digits}d}" for one in chance.sample(range(10**digits), many)]


def uuids() -> Make:
    """Random identifiers."""
    return lambda chance, many: [
        f"{(found := f'{chance.getrandbits(128):032x}')[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:]}"
        for _ in range(many)
    ]


def pick(*values: Any, weights: Sequence[float] | None = None) -> Make:
    """One of some values."""
    return lambda chance, many: chance.choices(values, weights, k=many)


def lognormal(middle: float, spread: float, digits: int = 2) -> Make:
    """Positive numbers with a long tail."""
    return lambda chance, many: [round(middle * chance.lognormvariate(0, spread), digits) for _ in range(many)]


def normal(mean: float, spread: float, digits: int = 2) -> Make:
    """Numbers around a mean."""
    return lambda chance, many: [round(chance.gauss(mean, spread), digits) for _ in range(many)]


def uniform(low: float, high: float, digits: int = 2) -> Make:
    """Numbers anywhere between two."""
    return lambda chance, many: [round(chance.uniform(low, high), digits) for _ in range(many)]


def whole(low: int, high: int) -> Make:
    """Whole numbers between two."""
    return lambda chance, many: [chance.randint(low, high) for _ in range(many)]


def person(chance: Random, many: int) -> list[Any]:
    """First and last name."""
    return [f"{chance.choice(FIRST)} {chance.choice(LAST)}" for _ in range(many)]


def email(chance: Random, many: int) -> list[Any]:
    """Addresses, most of them there once."""
    return [
        f"{chance.choice(FIRST)}.{chance.choice(LAST)}{chance.randrange(1000)}@{chance.choice(['mail', 'post', 'web'])}.example".lower()
        for _ in range(many)
    ]


def phone(chance: Random, many: int) -> list[Any]:
    """International numbers."""
    return [
        f"+{chance.choice([1, 44, 49])} {chance.randrange(100, 999)} {chance.randrange(10**6, 10**7)}"
        for _ in range(many)
    ]


def street(chance: Random, many: int) -> list[Any]:
    """A street and a number."""
    return [f"{chance.choice(LAST)} Street {chance.randrange(1, 200)}" for _ in range(many)]


def sentence(chance: Random, many: int) -> list[Any]:
    """Free text."""
    return [" ".join(chance.choices(WORDS, k=chance.randrange(3, 9))) for _ in range(many)]


def address(chance: Random, many: int) -> list[Any]:
    """Addresses of machines."""
    return [f"10.{chance.randrange(9)}.{chance.randrange(256)}.{chance.randrange(256)}" for _ in range(many)]


def seconds(chance: Random, many: int) -> list[Any]:
    """Moments in seconds since the epoch, over ten days, most at day."""
    return [int((DAY_ZERO + at_day(chance)).timestamp()) for _ in range(many)]


def at_day(chance: Random) -> timedelta:
    """A time of ten days, most between 8 and 18 h."""
    return timedelta(
        days=chance.randrange(10), hours=min(max(chance.gauss(13, 2.5), 0), 23.9), seconds=chance.randrange(360)
    )


def moment(chance: Random, many: int) -> list[Any]:
    """Moments without a zone."""
    return [(DAY_ZERO + at_day(chance)).replace(tzinfo=None, microsecond=0) for _ in range(many)]


def day(chance: Random, many: int) -> list[Any]:
    """Days of some years, as text."""
    return [f"{DAY_ZERO - timedelta(days=chance.randrange(9000)):%Y-%m-%d}" for _ in range(many)]


def digest(value: Any) -> str:
    """Hash a value."""
    return hashlib.sha256(str(value).encode()).hexdigest()


def encoded(value: Any) -> str:
    """Write a value in base64."""
    return base64.b64encode(f"v1:{value}".encode()).decode()


def masked(value: Any) -> str:
    """Hide most of a value."""
    text = str(value)
    return text[:2] + "*" * max(len(text) - 4, 3) + text[-2:]
