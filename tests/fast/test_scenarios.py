"""Troubles to play: what the producer makes of them, and where they may be sent."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from cli.main import cli
from mend.runtime.errors import UserError
from mend.runtime.pipeline_file import load_pipeline
from mend.runtime.settings import load_settings
from orchestration.chaos import kind_of, trouble
from producer.__main__ import run
from producer.anomalies import Anomalies
from producer.kinds import KINDS, KindName
from producer.messages import Format, messages, refuse_unknown_fields
from producer.scenarios import CLEAN, Scenario, scenarios
from tests.fast.conftest import ROOT

START = 1_767_225_600_000
ALL = [(kind, one) for kind in KindName for one in scenarios(kind).values()]
ids = [f"{kind}-{one.name}" for kind, one in ALL]


def made(kind: KindName, anomalies: Anomalies, many: int = 600) -> Iterator[Any]:
    """Return events as they are sent."""
    return islice(messages(42, start_ts=START, anomalies=anomalies, kind=KINDS[kind]), many)


def test_one_segment_goes_bad_and_no_other_event_changes() -> None:
    """All of its events break a rule of quality, keep their schema, and are counted."""
    bad = Anomalies(late=0, drift_frequency=0, missing=0, bad_segments=(("country", "DE"),))
    before = [orjson.loads(one.value) for one in made(KindName.CUSTOMERS, CLEAN)]
    sent = list(made(KindName.CUSTOMERS, bad))
    after = [orjson.loads(one.value) for one in sent]
    german = [number for number, one in enumerate(before) if one["country"] == "DE"]
    assert len(german) > 20
    assert [number for number, one in enumerate(after) if "@" not in one["email"]] == german
    assert [number for number, one in enumerate(sent) if one.marks == ("bad_segment_events",)] == german
    assert [one for one in after if one["country"] != "DE"] == [one for one in before if one["country"] != "DE"]
    assert all(one | {"email": ""} == other | {"email": ""} for one, other in zip(before, after, strict=True))


def test_a_bad_store_has_totals_that_do_not_add_up() -> None:
    """Orders of one store only."""
    bad = Anomalies(late=0, drift_frequency=0, missing=0, bad_segments=(("store", "pune-1"),))
    found = set()
    pairs = zip(made(KindName.ORDERS, CLEAN), made(KindName.ORDERS, bad), strict=True)
    for before, after in ((orjson.loads(one.value), orjson.loads(other.value)) for one, other in pairs):
        found.add((before["store"] == "pune-1", float(after["total"]) - float(before["total"]) > 0.5))
    assert found == {(True, True), (False, False)}


def test_a_renamed_field_keeps_its_value_and_its_place() -> None:
    """Only the name is another."""
    renamed = Anomalies(late=0, drift_frequency=0, missing=0, renames=(("plan", "tariff"),))
    pairs = zip(made(KindName.CUSTOMERS, CLEAN), made(KindName.CUSTOMERS, renamed), strict=True)
    assert all(one.value.replace(b'"plan":', b'"tariff":') == other.value for one, other in pairs)


@pytest.mark.parametrize(("kind", "one"), ALL, ids=ids)
def test_every_scenario_can_be_made(kind: KindName, one: Scenario) -> None:
    """Its fields are those of its events, and it differs from clean events."""
    refuse_unknown_fields(KINDS[kind], one.anomalies, Format.JSON)
    assert one.anomalies == CLEAN or list(made(kind, one.anomalies)) != list(made(kind, CLEAN))
    assert scenarios(kind)[one.name] is one


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--bad-segment", "county=DE"], "these events have no field 'county'. Did you mean 'country'?"),
        (["--bad-segment", "country"], "'country' is not NAME=VALUE"),
        (["--rename", "plan=tariff"], "'plan=tariff' is not NAME:VALUE"),
        (["--rename", "plam:tariff"], "these events have no field 'plam'. Did you mean 'plan'?"),
        (["--rename", "plan:country"], "these events have a field 'country' already"),
        (["--rename", "plan:tariff", "--format", "avro"], "an Avro event has the names of its schema"),
    ],
)
def test_the_producer_refuses_troubles_that_cannot_be(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 2, before a broker is asked."""
    assert run([*arguments, "--count", "1", "--broker", "127.0.0.1:1"]) == 2
    assert told in capsys.readouterr().err


def chaos(*arguments: str) -> Any:
    """Run `mend chaos` where no broker is."""
    told = {"MEND_PIPELINES": str(ROOT / "pipelines"), "KAFKA_BROKER": "127.0.0.1:1"}
    return CliRunner().invoke(cli, ["chaos", *arguments], env=told)


def test_what_would_be_sent_and_where_is_said_before() -> None:
    """With --dry-run nothing else happens; without an answer nothing is sent; with --yes the broker is asked."""
    first = "50 made-up events to the topic orders at 127.0.0.1:1: three events in ten come 1 to 24 hours late"
    wish = ("run", "late", "--pipeline", "orders", "--events", "50")
    dry = chaos(*wish, "--dry-run")
    assert (dry.exit_code, dry.stderr.splitlines()[0]) == (0, first)
    unsaid = chaos(*wish)
    assert "nothing was sent: say --yes" in str(unsaid.exception)
    assert first in unsaid.stderr
    sent = chaos(*wish, "--yes")
    assert "no broker at 127.0.0.1:1" in str(sent.exception)


def test_no_other_topic_than_the_pipelines_own() -> None:
    """A topic that another pipeline reads is refused with exit code 3, a scenario that is none with its neighbour."""
    other = chaos("run", "late", "--topic", "orders", "--yes").exception
    assert isinstance(other, UserError)
    assert (other.exit_code, str(other)) == (
        3,
        "customers reads the topic 'customers', not 'orders'. Nothing was sent.",
    )
    assert "no scenario 'lat'. Did you mean 'late'?" in str(chaos("run", "lat", "--yes").exception)
    listed = orjson.loads(chaos("ls", "--json").stdout)
    assert {one["name"] for one in listed} == set(scenarios(KindName.CUSTOMERS))


def test_only_pipelines_whose_events_can_be_made_are_played_on(tmp_path: Path) -> None:
    """Another pipeline, and one of the same name with another contract, are refused."""
    text = (ROOT / "pipelines" / "customers.yml").read_text(encoding="utf-8").replace("../", f"{ROOT}/")
    path = tmp_path / "shop.yml"
    path.write_text(text.replace("pipeline: customers", "pipeline: shop"), encoding="utf-8")
    with pytest.raises(UserError, match="no made-up events for 'shop'"):
        kind_of(load_pipeline(path))
    schema = ROOT / "kafka" / "schemas" / "customer_events.v1.avsc"
    foreign = orjson.loads(schema.read_bytes())
    foreign["fields"].append({"name": "shoe_size", "type": "int"})
    (tmp_path / "foreign.avsc").write_bytes(orjson.dumps(foreign))
    path.write_text(text.replace(str(schema), str(tmp_path / "foreign.avsc")), encoding="utf-8")
    with pytest.raises(UserError, match="'shoe_size' that the made-up events have not") as told:
        kind_of(load_pipeline(path))
    assert told.value.exit_code == 3


def test_newcomers_are_owners_that_no_run_has_seen() -> None:
    """The rename is sent by others than those of the runs before, so that no value of theirs is known."""
    pipeline = load_pipeline(ROOT / "pipelines" / "customers.yml")
    known = scenarios(KindName.CUSTOMERS)
    seeds = {
        name: trouble(load_settings(_env_file=None), pipeline, known[name], 1).options.seed
        for name in ("healthy", "rename")
    }
    assert seeds["healthy"] == 42
    assert seeds["rename"] != 42
