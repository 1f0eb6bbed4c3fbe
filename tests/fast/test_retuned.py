"""Another try has other settings where the failure says that they help."""

from datetime import UTC, datetime, timedelta

import pytest

from mend.store.runs import Failure
from orchestration.retuned import Tuning, tuning

AT = datetime(2026, 3, 1, tzinfo=UTC)
HEAP = "java.lang.OutOfMemoryError: Java heap space"
LATE = "Timeout of 20000ms expired before the position was known"


def failure(error: str, minutes: int = 0) -> Failure:
    """Return a failed job."""
    return Failure(pipeline="p", run_id=None, error=error, cause=None, at=AT + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([], Tuning()),
        (["no such column"], Tuning()),
        ([HEAP], Tuning(fewer=2)),
        ([HEAP, HEAP, LATE], Tuning(fewer=4, longer=2)),
        (["the ingest job ended with exit code -9 and said nothing"], Tuning(fewer=2)),
        (["stopped after 5 minutes (PROCESSING_DURATION_MINUTES)."], Tuning(longer=2)),
        ([HEAP] * 9, Tuning(fewer=16)),
    ],
)
def test_what_the_next_try_changes(errors: list[str], expected: Tuning) -> None:
    """Half the events after too little memory, twice the patience after a time-out, and so on up to sixteen times."""
    assert tuning([failure(one) for one in errors], None) == expected


def test_a_run_that_ended_begins_anew() -> None:
    """Failures before the last settled run ask for nothing."""
    assert tuning([failure(HEAP, 5), failure(HEAP, 1)], AT + timedelta(minutes=3)) == Tuning(fewer=2)
