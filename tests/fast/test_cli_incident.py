"""`mend incident`: what people and scripts see of incidents."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from cli.main import cli
from mend.contracts.incident import Severity
from mend.incidents.lifecycle import opened
from mend.incidents.log import incident_log
from mend.runtime.clock import now
from mend.runtime.errors import UserError
from mend.store.engine import open_store

HOSTILE = "[red]\x1b[2J\r\nBcc: all <!channel> \u202e" + "x" * 1_000_000
Mend = Callable[..., Any]


@pytest.fixture
def mend(home: Path) -> Mend:
    """Return a function that runs `mend incident` over three incidents and two that are folded into the first."""
    began = now() - timedelta(hours=1)
    with open_store(f"sqlite:///{home / 'mend.db'}") as store:
        log = incident_log(store, home / "ops", pii={"email"})
        for at, says in enumerate(("away", "away", "away", HOSTILE, "none")):
            context = {"run_id": f"run-{at}", "email": "ann@example.org", "said": says}
            severity = Severity.HIGH if at else Severity.LOW
            one = opened(f"{at}-id", f"type-{says[:4]}", says, severity, began + timedelta(minutes=at), context=context)
            log.open_incident(replace(one, cause=f"cause-{says[:4]}"))

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["incident", *arguments], env={"MEND_HOME": str(home), "DATABASE_URL": ""})

    return run


def documents(result: Any) -> Any:
    """Return what a command printed as JSON."""
    assert result.exit_code == 0, result
    return orjson.loads(result.stdout)


def test_the_list_is_filtered(mend: Mend) -> None:
    """Newest first, folded ones only when asked for; by status, severity, type and run."""

    def ids(*arguments: str) -> list[str]:
        return [one["id"] for one in documents(mend("ls", "--json", *arguments))]

    assert ids() == ["4-id", "3-id", "0-id"]
    assert ids("--all") == ["4-id", "3-id", "2-id", "1-id", "0-id"]
    assert ids("--type", "type-away") == ids("--run", "run-0") == ["0-id"]
    assert ids("--severity", "critical") == ids("--status", "closed") == ids("--days", "0.01") == []
    assert mend("resolve", "4-id", "-m", "gone").exit_code == 0
    assert ids("--open") == ["3-id", "0-id"]
    with pytest.raises(UserError, match="Did you mean 'high'"):
        raise mend("ls", "--severity", "hihg").exception


def test_an_incident_is_taken_through_its_life(mend: Mend) -> None:
    """Acknowledged, resolved, opened again, closed; what is not allowed is refused with code 3."""
    assert "0-id is acknowledged" in mend("ack", "0", "-m", "I look").stdout
    assert documents(mend("resolve", "0", "-m", "restarted", "--json"))["resolution_notes"] == "restarted"
    assert documents(mend("reopen", "0", "-m", "back", "--json"))["transitions"][2]["helped"] is False
    assert mend("resolve", "0", "-m", "new disk", "--helped").exit_code == 0
    shown = documents(mend("show", "0", "--json"))
    assert [step["status"] for step in shown["transitions"]] == ["open", "acknowledged", "resolved", "open", "resolved"]
    assert ([one["id"] for one in shown["folded"]], shown["transitions"][4]["helped"]) == (["1-id", "2-id"], True)
    assert "came 2 more times" in shown["explanation"]
    assert mend("close", "0").exit_code == 0
    refused = mend("reopen", "0").exception
    assert isinstance(refused, UserError)
    assert refused.exit_code == 3


def test_similar_ones_show_what_ended_them(mend: Mend) -> None:
    """The remedy that is marked as useful is offered; its mark can be taken back."""
    mend("resolve", "0", "-m", "restarted")
    assert documents(mend("helped", "0", "--json"))["transitions"][-1]["helped"] is True
    found = documents(mend("similar", "0", "--json"))
    assert (found["remedies"][0]["note"], found["remedies"][0]["helped"]) == ("restarted", 1)
    mend("helped", "0", "--no")
    assert documents(mend("similar", "0", "--json"))["remedies"][0]["failed"] == 1


def test_statistics_have_the_interface_and_trends(mend: Mend) -> None:
    """The keys that scripts know, and how it develops."""
    found = documents(mend("stats", "--days", "7", "--json"))
    assert (found["total_incidents"], found["by_severity"], found["trends"]["folded"]) == (3, {"high": 3}, 2)
    assert "to resolve (mean)" in mend("stats").stdout


@pytest.mark.parametrize("command", [("ls",), ("ls", "--all"), ("show", "3"), ("similar", "3"), ("stats",)])
def test_text_from_data_is_shown_as_text(mend: Mend, command: tuple[str, ...]) -> None:
    """No escape, no direction override, no markup, no personal value, and no megabyte reaches the terminal."""
    result = mend(*command)
    assert result.exit_code == 0
    assert not set(result.stdout) & {"\x1b", "\r", "\u202e"}
    assert "ann@example.org" not in result.stdout
    assert len(result.stdout) < 20_000


def test_hostile_text_keeps_its_markup(mend: Mend) -> None:
    """What looks like markup is shown as it is; JSON has it escaped."""
    assert "[red]" in mend("show", "3").stdout
    assert "\\u001b" in mend("show", "3", "--json").stdout
