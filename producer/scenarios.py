"""Troubles that can be played on a topic, each in the words of the events that it is made of. Pure."""

from dataclasses import dataclass, replace

from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest
from producer.anomalies import Anomalies
from producer.kinds import KindName

CLEAN = Anomalies(late=0, drift_frequency=0, missing=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One trouble: `sends` says what goes into the topic, `expects` what Mend does about it.

    `newcomers` are events of owners that no run has seen, so that no value of theirs can be looked up.
    """

    name: str
    title: str
    sends: str
    expects: str
    anomalies: Anomalies
    newcomers: bool = False


GENERAL = (
    Scenario(
        name="healthy",
        title="A healthy run",
        sends="events as agreed, one in a hundred sent twice",
        expects="published; what came twice is set aside as a duplicate",
        anomalies=replace(CLEAN, duplicate=0.01),
    ),
    Scenario(
        name="new-field",
        title="A new field appears",
        sends="every third event has new fields",
        expects="the new fields become columns by themselves, and every event is published",
        anomalies=replace(CLEAN, drift_frequency=3),
    ),
    Scenario(
        name="poison",
        title="A storm of poison",
        sends="nine events in ten are damaged and cannot be decoded",
        expects="the damaged ones become dead letters, the partitions are paused, a person is called",
        anomalies=replace(CLEAN, malformed=0.9),
    ),
    Scenario(
        name="late",
        title="A burst of late events",
        sends="three events in ten come 1 to 24 hours late",
        expects="published, and a person is called: so many late ones are over the limit",
        anomalies=replace(CLEAN, late=0.3),
    ),
    Scenario(
        name="duplicates",
        title="Events come twice",
        sends="every fifth event repeats an earlier one byte for byte",
        expects="each event is published once, the repeated ones are set aside",
        anomalies=replace(CLEAN, duplicate=0.2),
    ),
)
RENAMED = "its rows are set aside, a mapping is proposed and tried; a person approves it, then the rows are replayed"
SPOILED = "its failing rows are set aside, the rest is published, and a person is called"
OF_KIND = {
    KindName.CUSTOMERS: (
        Scenario(
            name="bad-segment",
            title="Germany's events go bad",
            sends="all events of Germany have lost the @ of their addresses",
            expects=SPOILED,
            anomalies=replace(CLEAN, bad_segments=(("country", "DE"),)),
        ),
        Scenario(
            name="rename",
            title="A field is renamed",
            sends="a new shop with customers of its own calls the field 'plan' by the name 'tariff'",
            expects=RENAMED,
            anomalies=replace(CLEAN, renames=(("plan", "tariff"),)),
            newcomers=True,
        ),
    ),
    KindName.ORDERS: (
        Scenario(
            name="bad-segment",
            title="A store's events go bad",
            sends="no total of the store berlin-1 is the sum of its lines",
            expects=SPOILED,
            anomalies=replace(CLEAN, bad_segments=(("store", "berlin-1"),)),
        ),
        Scenario(
            name="rename",
            title="A field is renamed",
            sends="a new till calls the field 'channel' by the name 'sold_by'",
            expects=RENAMED,
            anomalies=replace(CLEAN, renames=(("channel", "sold_by"),)),
            newcomers=True,
        ),
    ),
}


def scenarios(kind: KindName) -> dict[str, Scenario]:
    """Return the scenarios of a kind of events by their names."""
    return {one.name: one for one in (*GENERAL, *OF_KIND[kind])}


def scenario(kind: KindName, name: str) -> Scenario:
    """Return one scenario; a name that is none is refused."""
    known = scenarios(kind)
    if name not in known:
        raise UserError(f"no scenario '{name}'.{nearest(name, known)}")
    return known[name]
