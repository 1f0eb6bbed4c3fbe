"""Health: what is measured against thresholds that are data."""

from dataclasses import replace
from pathlib import Path

import pytest

from mend.runtime.errors import UserError
from orchestration.health import CHECKS, HEALTH, Pace, Vitals, examine, load_watching

WELL = Vitals(lags=(0, 0, 0, 0), checkpoint_age=10.0, last_run_age=10.0, disk_free=10**12)
HOUR = 3600.0
USUAL = tuple(Pace(seconds=10 + at % 3, events_per_second=1000 - 20 * (at % 3)) for at in range(20))


def found(vitals: Vitals) -> set[str]:
    """Return the checks that found something."""
    return {one.check for one in examine(vitals, load_watching())}


def test_a_healthy_pipeline_has_no_finding() -> None:
    """Nor has one that has never run."""
    assert found(WELL) == set()
    assert found(Vitals()) == set()


@pytest.mark.parametrize(
    ("check", "vitals"),
    [
        ("store", replace(WELL, store_error="locked")),
        ("broker", replace(WELL, broker_error="nobody answers")),
        ("lag_growth", replace(WELL, lags=(10, 500, 900, 1000))),
        ("checkpoint_age", replace(WELL, lags=(5,), checkpoint_age=HOUR)),
        ("last_run_age", replace(WELL, lags=(5,), last_run_age=HOUR + 1)),
        ("disk", replace(WELL, disk_free=2 * 1024**3 - 1)),
        ("dead_letters", replace(WELL, dead_letter_tries=3)),
        ("alerts", replace(WELL, alert_age=HOUR)),
        ("circuit", replace(WELL, circuit_age=5 * HOUR)),
        ("pause", replace(WELL, pause_age=25 * HOUR)),
        ("model", replace(WELL, model_answers=False)),
        ("slow_runs", replace(WELL, paces=(Pace(seconds=30, events_per_second=300), *USUAL))),
    ],
)
def test_each_check_finds_its_own_trouble_and_nothing_else(check: str, vitals: Vitals) -> None:
    """One thing is wrong: one finding."""
    assert found(vitals) == {check}


@pytest.mark.parametrize(
    "vitals",
    [
        replace(WELL, alert_age=60.0, circuit_age=HOUR, pause_age=HOUR, model_answers=True),
        replace(WELL, lags=(10, 500, 400, 1000)),
        replace(WELL, lags=(10, 50, 90, 100)),
        replace(WELL, lags=(500, 900, 1000)),
        replace(WELL, checkpoint_age=HOUR, last_run_age=9 * HOUR),
        replace(WELL, paces=(Pace(seconds=300, events_per_second=1000), *USUAL)),
        replace(WELL, paces=(Pace(seconds=1, events_per_second=10), *USUAL)),
        replace(WELL, paces=(Pace(seconds=12.4, events_per_second=960), *USUAL)),
        replace(WELL, paces=(Pace(seconds=30, events_per_second=300), *USUAL[:9])),
    ],
    ids=[
        "young",
        "lag fell",
        "lag small",
        "few looks",
        "nothing waits",
        "big run",
        "small run",
        "usual spread",
        "few runs",
    ],
)
def test_what_has_a_harmless_reason_is_no_finding(vitals: Vitals) -> None:
    """An old run is no wonder when nothing waits, nor a long one when it was big."""
    assert found(vitals) == set()


def test_runs_that_are_all_alike_do_not_make_a_small_change_an_alarm() -> None:
    """Their median absolute deviation is 0: what counts then is a quarter of the median."""
    alike = tuple(Pace(seconds=10, events_per_second=1000) for _ in range(20))
    assert found(replace(WELL, paces=(Pace(seconds=11, events_per_second=900), *alike))) == set()
    assert found(replace(WELL, paces=(Pace(seconds=13, events_per_second=700), *alike))) == {"slow_runs"}


def test_the_shipped_file_names_every_check() -> None:
    """A check that is not in the file is not made."""
    assert set(load_watching().checks) == set(CHECKS)


def test_an_unknown_check_is_answered_with_file_line_and_the_nearest(tmp_path: Path) -> None:
    """A misspelt check would be one that nobody makes."""
    path = tmp_path / "health.yml"
    path.write_text(HEALTH.read_text().replace("  disk: high", "  disc: high"))
    line = path.read_text().splitlines().index(next(one for one in path.read_text().splitlines() if "disc" in one)) + 1
    with pytest.raises(UserError, match=rf"health.yml:{line}: unknown check 'disc'\. Did you mean 'disk'\?"):
        load_watching(path)
