"""Fingerprints of incidents a second, against a plain regular expression that masks digits only."""

import random
import re
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from time import perf_counter
from typing import Any
from uuid import UUID

from bench.measure import Wish, compare, show, wish
from mend.incidents.fingerprint import fingerprint

SHAPES = """\
org.apache.kafka.common.errors.TimeoutException: Timed out waiting for a node assignment. Call: listTopics, run=c-{n} \
at 2026-01-02T10:11:{s:02d}.123Z, broker 10.0.0.{s}:9092 did not answer after {n} ms, the last try was the third of four
sqlalchemy.exc.OperationalError: (psycopg.OperationalError) connection to server at '127.0.0.{s}', port {n} failed: \
the database system is starting up (Background on this error at: https://sqlalche.me/e/20/e3q8), try {s}
org.apache.spark.SparkException: Job aborted due to stage failure: Task {s} in stage {n}.0 failed 4 times, most \
recent failure: Lost task {s}.3 (TID {n}) executor driver: staging/run={u}/part-{n}.parquet is not there
schema drift in topic customers: field 'plan' came as int64, expected string, in {n} of 20000 events of partition \
{s}, first at offset {n}; 3 fields are new ('opt_in', 'segment', 'source'); the contract is version v2, hash {u}\
""".splitlines()
DIGITS = re.compile(r"\d+")


def messages(many: int) -> list[str]:
    """Return messages of some 200 characters, each with numbers and ids of its own."""
    chance = random.Random(7)
    return [
        SHAPES[at % len(SHAPES)].format(
            n=chance.randrange(10**6), s=chance.randrange(60), u=UUID(int=chance.getrandbits(128))
        )
        for at in range(many)
    ]


def digits_only(text: str) -> str:
    """Mask digits and nothing else."""
    return blake2b(DIGITS.sub("#", text).encode(), digest_size=16).hexdigest()


def rate(function: Callable[[str], str], texts: list[str]) -> float:
    """Return calls a second in this process."""
    began = perf_counter()
    for text in texts:
        function(text)
    return len(texts) / (perf_counter() - began)


def measure(asked: Wish) -> dict[str, Any]:
    """Compare on the same messages."""
    texts = messages(20_000 if asked.quick else 200_000)
    ours, peer = partial(rate, fingerprint, texts), partial(rate, digits_only, texts)
    target = "fingerprints >= 50,000/s in one process"
    return compare("fingerprints", target, "/s", ours, peer, 3 if asked.quick else 7)


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
