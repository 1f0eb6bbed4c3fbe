"""The rules of a project's alerts: which severity goes where, when nobody is woken, how long equal ones are one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mend.alerts.words import RANK
from mend.contracts.alert import Alert, AlertSeverity
from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest
from mend.runtime.yaml_file import YamlFile, load_yaml

CHANNELS = ("slack", "email", "console")
KEYS = {"routes", "deduplicate", "remind", "give_up", "silence", "quiet_hours", "links"}
QUIET = {"from", "until", "zone", "below"}
LINKS = {"run", "incident"}
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """Alerts below a severity wait from one time of day until another."""

    begin: time
    end: time
    zone: ZoneInfo
    below: AlertSeverity

    def end_after(self, at: datetime) -> datetime:
        """Return when the quiet hours end that a moment lies in, the moment itself outside them."""
        local = at.astimezone(self.zone)
        clock = local.time().replace(tzinfo=None)
        over_midnight = self.begin > self.end
        inside = clock >= self.begin or clock < self.end if over_midnight else self.begin <= clock < self.end
        if not inside:
            return at
        day = local.date() + timedelta(days=1 if over_midnight and clock >= self.begin else 0)
        return datetime.combine(day, self.end, self.zone).astimezone(UTC)


ROUTES: Mapping[AlertSeverity, tuple[str, ...]] = {
    AlertSeverity.INFO: ("slack",),
    AlertSeverity.WARNING: ("slack",),
    AlertSeverity.ERROR: ("slack", "email"),
    AlertSeverity.CRITICAL: ("slack", "email"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What `alerts.yml` says; without a file this."""

    routes: Mapping[AlertSeverity, tuple[str, ...]] = field(default_factory=lambda: ROUTES)
    deduplicate: timedelta = timedelta(minutes=5)
    remind: timedelta = timedelta(hours=4)
    give_up: timedelta = timedelta(days=7)
    silence: timedelta = timedelta(minutes=30)
    quiet_hours: QuietHours | None = None
    links: Mapping[str, str] = field(default_factory=dict)

    def not_before(self, alert: Alert, at: datetime) -> datetime:
        """Return when an alert may be heard."""
        quiet = self.quiet_hours
        if quiet is None or RANK[alert.severity] >= RANK[quiet.below]:
            return at
        return quiet.end_after(at)

    def links_of(self, alert: Alert) -> dict[str, str]:
        """Return the links of an alert that can be made whole."""
        from urllib.parse import quote

        known = {"run": alert.run_id, "incident": alert.incident_id}
        return {
            name: url.replace("{id}", quote(str(known[name]), safe=""))
            for name, url in self.links.items()
            if known[name]
        }


def load_policy(path: Path) -> Policy:
    """Read the file; what is wrong in it is a UserError with its line."""
    file = load_yaml(path)
    found = file.document or {}
    if not isinstance(found, dict):
        raise file.error((), "expected keys and values.")
    file.check_keys((), found, KEYS)
    defaults = Policy()
    spans = {
        name: span(file, (name,), found[name]) if name in found else getattr(defaults, name)
        for name in ("deduplicate", "remind", "give_up", "silence")
    }
    return Policy(
        routes=routes(file, found.get("routes", {})),
        quiet_hours=quiet_hours(file, found.get("quiet_hours")),
        links=links(file, found.get("links", {})),
        **spans,
    )


def routes(file: YamlFile, found: Any) -> dict[AlertSeverity, tuple[str, ...]]:
    """Read which severity goes through which channels; one that is not named goes as by default."""
    made = dict(ROUTES)
    for name, channels in mapping(file, ("routes",), found, set(AlertSeverity)).items():
        place = ("routes", name)
        if not isinstance(channels, list) or not channels:
            raise file.error(place, f"expected a list of channels, such as [{', '.join(CHANNELS)}].")
        for number, channel in enumerate(channels):
            if channel not in CHANNELS:
                raise file.error((*place, number), f"unknown channel '{channel}'.{nearest(str(channel), CHANNELS)}")
        made[AlertSeverity(name)] = tuple(dict.fromkeys(channels))
    return made


def quiet_hours(file: YamlFile, found: Any) -> QuietHours | None:
    """Read the quiet hours."""
    if found is None:
        return None
    place = ("quiet_hours",)
    known = mapping(file, place, found, QUIET)
    file.check_keys(place, known, QUIET, frozenset({"from", "until"}))
    begin, end = (time_of_day(file, (*place, name), known[name]) for name in ("from", "until"))
    if begin == end:
        raise file.error((*place, "until"), "quiet hours end when they begin. Give them a length.")
    below = str(known.get("below", "error"))
    if below not in set(AlertSeverity):
        raise file.error((*place, "below"), f"unknown severity '{below}'.{nearest(below, list(AlertSeverity))}")
    zone = str(known.get("zone", "UTC"))
    try:
        return QuietHours(begin=begin, end=end, zone=ZoneInfo(zone), below=AlertSeverity(below))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise file.error((*place, "zone"), f"unknown time zone '{zone}'. Write it like Europe/Berlin.") from None


def links(file: YamlFile, found: Any) -> dict[str, str]:
    """Read the pages that alerts link to."""
    known = mapping(file, ("links",), found, LINKS)
    for name, url in known.items():
        if not isinstance(url, str) or not url.startswith(("https://", "http://")) or "{id}" not in url:
            raise file.error(
                ("links", name), "expected an address with {id} in it, such as https://mend.local/runs/{id}."
            )
    return known


def mapping(file: YamlFile, place: tuple[str, ...], found: Any, valid: set[Any]) -> dict[str, Any]:
    """Return a mapping with known keys."""
    if not isinstance(found, dict):
        raise file.error(place, "expected keys and values.")
    file.check_keys(place, found, {str(one) for one in valid})
    return found


def span(file: YamlFile, place: tuple[str, ...], found: Any) -> timedelta:
    """Read a length of time such as 5m."""
    text = str(found).strip()
    number, unit = text[:-1], text[-1:]
    if unit not in UNITS or not number.isascii() or not number.isdigit() or not 0 < int(number) < 100_000:  # noqa: PLR2004
        raise file.error(place, f"'{text[:40]}' is no length of time. Write it like 30s, 5m, 4h or 7d.")
    return timedelta(**{UNITS[unit]: int(number)})


def time_of_day(file: YamlFile, place: tuple[str, ...], found: Any) -> time:
    """Read a time such as 22:00."""
    try:
        return time.fromisoformat(str(found)).replace(tzinfo=None)
    except ValueError:
        raise file.error(place, f"'{str(found)[:40]}' is no time of day. Write it like \"22:00\".") from None


def default_or(path: Path | None) -> Policy:
    """Return the rules of a file; where there is none, the built-in ones, but a file that was named must be there."""
    if path is None:
        return Policy()
    if not path.exists():
        raise UserError(f"ALERTS_FILE={path} does not exist. Correct the path, or leave it empty for the defaults.")
    return load_policy(path)
