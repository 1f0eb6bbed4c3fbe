"""The demo's story without Kafka and Spark: which acts, how many events, and what is told while they are played."""

import re
from io import StringIO
from itertools import islice
from pathlib import Path

import orjson
import pytest
import structlog
from rich.console import Console
from typer.testing import CliRunner

from cli.demo_view import Narrator
from cli.main import cli
from mend.runtime.errors import UserError
from mend.runtime.logging import get_logger, logged_into
from orchestration.chaos import Trouble
from orchestration.steps import agent_decide, validate_load
from orchestration.story import ACTS, Act, Story, evenly, shares
from orchestration.stream import News
from producer.kinds import KindName
from producer.messages import messages
from producer.scenarios import scenario
from producer.session import Counters
from tests.fast.conftest import ROOT
from tests.fast.lane import Lane, open_lane


def test_events_are_shared_out_without_losing_one() -> None:
    """Each act has the same, in an act each part has the same, and the first get the rest."""
    assert shares(2003, [1, 1, 1, 2]) == [[501], [501], [501], [250, 250]]
    assert evenly(1, 3) == [1, 0, 0]
    assert sum(sum(one) for one in shares(7, [1, 1, 1, 2])) == 7


def test_an_act_alone_brings_what_it_needs() -> None:
    """A rename has to be compared with a good run; the other acts begin at once."""
    alone = [("healthy",), ("new-field",), ("bad-segment",), ("healthy", "rename", "rename")]
    assert [one.alone for one in ACTS] == alone
    assert [one.number for one in ACTS] == [1, 2, 3, 4]


def test_the_recording_is_of_this_story() -> None:
    """What docs/demo.txt shows is what is told now, and no path of the machine that it was made on stands in it."""
    text = (ROOT / "docs" / "demo.txt").read_text(encoding="utf-8")
    for act in ACTS:
        assert act.told in text
        assert f"mend {act.look} --pipeline customers" in text
        for name in act.scenarios:
            assert scenario(KindName.CUSTOMERS, name).sends in text
    assert not re.search(r"(^|\s)/\w+/", text)


@pytest.mark.parametrize("number", ["0", "5"])
def test_an_act_that_is_none_is_refused(number: str) -> None:
    """There are four; exit code 2."""
    assert CliRunner().invoke(cli, ["demo", "--act", number]).exit_code == 2


def played(lane: Lane, acts: tuple[Act, ...], events: int) -> tuple[Story, str]:
    """Play acts in a lane: what is sent is one batch, as a stream would read it; returns what was told as well."""
    waiting: list[list[bytes]] = []

    def sender(one: Trouble) -> Counters:
        options = one.options
        made = messages(options.seed, start_ts=options.start_ts, anomalies=options.anomalies, kind=options.kind)
        waiting.append([each.value for each in islice(made, one.events)])
        return Counters(one.events, 0, 0, 0, 0, 0, 0, one.events, 0, "", 0.1)

    console = Console(file=StringIO(), width=200)
    narrator = Narrator(console, lane.workspace, console.status(""))
    story = Story(lane.workspace, acts, events, "ann", narrator, sender)
    story.hear(News(kind="reading"))
    while not story.stop.asked.is_set():
        run_id = lane.stage(*waiting.pop())
        steps = (agent_decide(lane.workspace, run_id), validate_load(lane.workspace, run_id))
        story.hear(News(kind="finished", run_id=run_id, steps=steps))
    return story, console.file.getvalue()  # type: ignore[attr-defined]


def test_what_happens_is_told_while_it_does(home: Path) -> None:
    """Each act: what was sent, where it is, what was decided, that a person is called, and where to look."""
    with open_lane(home) as lane:
        story, told = played(lane, ACTS[1:3], 900)
    assert [one.title for one in story.played] == ["A new field appears", "Germany's events go bad"]
    assert [(one.events, len(one.run_ids)) for one in story.played] == [(450, 1), (450, 1)]
    first, second = told.split("\nAct ")[1:]
    assert first.startswith("2 · A new field appears\n")
    assert "sent      450 events: every third event has new fields" in first
    assert "450 published" in first
    assert "decided   remap" in first
    assert "called" not in first
    assert "mend mapping show --pipeline customers" in first
    assert " held" in second
    assert "[dq_localised]" in second
    assert "called    a person" in second


def test_a_story_that_is_paused_or_whose_job_fails_ends(home: Path) -> None:
    """It does not wait for runs that do not come."""
    with open_lane(home) as lane, pytest.raises(UserError, match="circuit"):
        Story(lane.workspace, ACTS, 4, "ann", None).hear(News(kind="paused", message="the circuit is open"))  # type: ignore[arg-type]


def test_what_is_logged_meanwhile_does_not_interrupt_the_story(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Events go into the file as JSON lines, and afterwards to where they went before."""
    before = structlog.get_config()
    with logged_into(tmp_path / "logs" / "demo.log"):
        get_logger().error("alert", title="somebody look")
    assert capsys.readouterr().err == ""
    (line,) = (tmp_path / "logs" / "demo.log").read_text().splitlines()
    assert orjson.loads(line)["title"] == "somebody look"
    assert structlog.get_config() == before
