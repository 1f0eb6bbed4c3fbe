"""Whether a pipeline is well: measured, then judged against thresholds that are data. The judging is pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from mend.contracts import codec
from mend.contracts.codec import STRICT, ContractError
from mend.contracts.incident import Severity
from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest
from mend.runtime.yaml_file import load_yaml

HEALTH = Path(__file__).with_name("health.yml")
GB = 1024**3
NORMAL = 1.4826
"""Makes the median absolute deviation an estimate of the standard deviation where values are normal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The thresholds of `health.yml`."""

    __pydantic_config__ = STRICT
    lag_looks: int
    lag_events: int
    checkpoint_minutes: float
    last_run_minutes: float
    disk_free_gb: float
    dead_letter_tries: int
    alert_minutes: float
    circuit_hours: float
    pause_hours: float
    spread: float
    history_runs: int
    history_least: int
    least_change: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """All that `health.yml` says: which checks, how grave each is, and the thresholds."""

    __pydantic_config__ = STRICT
    checks: dict[str, Severity]
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a run took, and how many events it did in a second."""

    seconds: float
    events_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What was measured. Ages are in seconds, None where there is nothing whose age could be told.

    `lags` are those of the last looks, oldest first, with this one; `paces` those of the last runs, newest first.
    """

    store_error: str | None = None
    broker_error: str | None = None
    lags: tuple[int, ...] = ()
    checkpoint_age: float | None = None
    last_run_age: float | None = None
    disk_free: int | None = None
    dead_letter_tries: int = 0
    alert_age: float | None = None
    circuit_age: float | None = None
    pause_age: float | None = None
    model_answers: bool | None = None
    paces: tuple[Pace, ...] = ()

    @property
    def waiting(self) -> bool:
        """Whether events wait; with none, an old run is no wonder."""
        return bool(self.lags) and self.lags[-1] > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not well."""

    check: str
    severity: Severity
    said: str


def load_watching(path: Path = HEALTH) -> Watching:
    """Read the file; an unknown check or a wrong threshold is a UserError with file and line."""
    file = load_yaml(path)
    try:
        watching = codec.parse(Watching, file.document)
    except ContractError as error:
        raise UserError(f"{path}: {error}") from error
    for name in watching.checks:
        if name not in CHECKS:
            raise file.error(("checks", name), f"unknown check '{name}'.{nearest(name, CHECKS)}")
    return watching


def examine(vitals: Vitals, watching: Watching) -> Iterator[Finding]:
    """Yield what is not well, of the checks that are wanted."""
    for name, severity in watching.checks.items():
        said = CHECKS[name](vitals, watching.limits)
        if said:
            yield Finding(check=name, severity=severity, said=said)


def store(vitals: Vitals, _limits: Limits) -> str | None:
    """Say that the store does not answer."""
    return vitals.store_error


def broker(vitals: Vitals, _limits: Limits) -> str | None:
    """Say that the broker does not answer."""
    return vitals.broker_error


def lag_growth(vitals: Vitals, limits: Limits) -> str | None:
    """Say that more waited at each look than at the one before it."""
    last = vitals.lags[-limits.lag_looks - 1 :]
    grew = all(earlier < later for earlier, later in pairwise(last))
    if len(last) <= limits.lag_looks or not grew or last[-1] < limits.lag_events:
        return None
    return (
        f"{last[-1]} events wait, more at each of {limits.lag_looks} looks (before: {', '.join(map(str, last[:-1]))})"
    )


def checkpoint_age(vitals: Vitals, limits: Limits) -> str | None:
    """Say that no batch is committed while events wait."""
    return too_old("no batch was committed", vitals.checkpoint_age, limits.checkpoint_minutes, vitals)


def last_run_age(vitals: Vitals, limits: Limits) -> str | None:
    """Say that no run ends while events wait."""
    return too_old("no run ended", vitals.last_run_age, limits.last_run_minutes, vitals)


def too_old(what: str, age: float | None, most_minutes: float, vitals: Vitals) -> str | None:
    """Say that something is too old while events wait."""
    if age is None or age <= most_minutes * 60 or not vitals.waiting:
        return None
    return f"{vitals.lags[-1]} events wait and {what} for {age / 60:.0f} minutes (limit {most_minutes:g})"


def disk(vitals: Vitals, limits: Limits) -> str | None:
    """Say that there is little room to write."""
    if vitals.disk_free is None or vitals.disk_free >= limits.disk_free_gb * GB:
        return None
    return f"{vitals.disk_free / GB:.2f} GB are free below MEND_HOME (limit {limits.disk_free_gb:g})"


def dead_letters(vitals: Vitals, limits: Limits) -> str | None:
    """Say that dead letters do not reach their topic."""
    if vitals.dead_letter_tries < limits.dead_letter_tries:
        return None
    return f"dead letters could not be sent in {vitals.dead_letter_tries} tries: see mend status"


def alerts(vitals: Vitals, limits: Limits) -> str | None:
    """Say that messages do not reach people."""
    if vitals.alert_age is None or vitals.alert_age <= limits.alert_minutes * 60:
        return None
    return f"an alert waits for {vitals.alert_age / 60:.0f} minutes (limit {limits.alert_minutes:g}): mend alerts ls"


def circuit(vitals: Vitals, limits: Limits) -> str | None:
    """Say that nobody closed the circuit, so that no run begins."""
    return forgotten("the circuit is open", vitals.circuit_age, limits.circuit_hours, "mend circuit ls")


def pause(vitals: Vitals, limits: Limits) -> str | None:
    """Say that nobody ended a pause."""
    return forgotten("a pause holds", vitals.pause_age, limits.pause_hours, "mend resume")


def forgotten(what: str, age: float | None, most_hours: float, command: str) -> str | None:
    """Say that something that a person began or has to end is going on for too long."""
    if age is None or age <= most_hours * 3600:
        return None
    return f"{what} for {age / 3600:.0f} hours (limit {most_hours:g}): {command}"


def model(vitals: Vitals, _limits: Limits) -> str | None:
    """Say that the model did not answer when it was last asked."""
    return "the model did not answer when it was last asked" if vitals.model_answers is False else None


def slow_runs(vitals: Vitals, limits: Limits) -> str | None:
    """Say that the newest run is slower than those before it.

    It must have taken longer and done less a second: a big run takes long, a small one does little a second.
    """
    if len(vitals.paces) <= limits.history_least:
        return None
    newest, before = vitals.paces[0], vitals.paces[1:]
    times, rates = [one.seconds for one in before], [one.events_per_second for one in before]
    longer, usual = beyond(newest.seconds, times, limits), median(times)
    slower = beyond(-newest.events_per_second, [-one for one in rates], limits)
    if not (longer and slower):
        return None
    rate = f"{newest.events_per_second:.0f} events/s, usually {median(rates):.0f}"
    return f"the newest run took {newest.seconds:.1f} s, usually {usual:.1f} s ({rate}; median of {len(before)} runs)"


def beyond(value: float, history: Sequence[float], limits: Limits) -> bool:
    """Whether a value lies further above the median than the spread of the history allows."""
    middle = median(history)
    deviation = NORMAL * median(abs(one - middle) for one in history)
    return value - middle > max(limits.spread * deviation, limits.least_change * abs(middle))


CHECKS: dict[str, Callable[[Vitals, Limits], str | None]] = {
    one.__name__: one
    for one in (
        store,
        broker,
        lag_growth,
        checkpoint_age,
        last_run_age,
        disk,
        dead_letters,
        alerts,
        circuit,
        pause,
        model,
        slow_runs,
    )
}
