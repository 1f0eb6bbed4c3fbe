"""The log of decisions: a chain that shows every change, under several writers and after a crash."""

import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import orjson
import pytest

from agent.adapters.journal_file import FileJournal
from agent.adapters.store import StoreJournal
from agent.decide import decide, log_line
from agent.matrix_file import load_matrix
from agent.testing import NOON, scenario
from mend.runtime import decision_log
from mend.runtime.decision_log import TORN, UNLINKED, append, broken_links, note
from mend.store.engine import Store, open_store
from orchestration.decision_record import verify

AT = NOON.isoformat()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log of five lines."""
    path = tmp_path / "decision_log.jsonl"
    for number in range(5):
        append(path, note("paused", f"reason {number}", AT, run_id=f"run-{number}"))
    return path


def lines(path: Path) -> list[bytes]:
    """Return the lines of a log."""
    return path.read_bytes().splitlines(keepends=True)


def found(path: Path) -> list[tuple[int | None, str | None]]:
    """Return the lines and runs that are found wrong."""
    return [(one.line, one.run_id) for one in broken_links(path)]


def edited(written: list[bytes]) -> list[bytes]:
    """Change a word in the third line."""
    return [*written[:2], written[2].replace(b"reason 2", b"reason X"), *written[3:]]


def rehashed(written: list[bytes]) -> list[bytes]:
    """Change a word in the third line and give it the hash of what it says now."""
    document = orjson.loads(edited(written)[2])
    document["hash"] = decision_log.hash_of(document)
    return [*written[:2], orjson.dumps(document, option=orjson.OPT_SORT_KEYS) + b"\n", *written[3:]]


def spaced(written: list[bytes]) -> list[bytes]:
    """Write the third line with a space that changes no value."""
    return [*written[:2], written[2].replace(b'":', b'": ', 1), *written[3:]]


TAMPERED: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int]] = {
    "an edit": (edited, 3),
    "an edit with a new hash": (rehashed, 4),
    "an edit of white space": (spaced, 3),
    "a removed line": (lambda written: [*written[:2], *written[3:]], 3),
    "the first line removed": (lambda written: written[1:], 1),
    "two lines exchanged": (lambda written: [written[0], written[2], written[1], *written[3:]], 2),
    "a line twice": (lambda written: [*written[:3], written[2], *written[3:]], 4),
    "a foreign line": (lambda written: [*written[:3], b"{}\n", *written[3:]], 4),
}


def test_a_whole_log_is_whole(log: Path) -> None:
    """Nothing is found in a log as it was written."""
    assert found(log) == []


@pytest.mark.parametrize("name", TAMPERED)
def test_every_change_is_found(log: Path, name: str) -> None:
    """An edit, a removal and another order are found at their line."""
    change, line = TAMPERED[name]
    log.write_bytes(b"".join(change(lines(log))))
    assert found(log)[0][0] == line


def test_older_lines_are_the_beginning(tmp_path: Path) -> None:
    """Lines without hashes before the chain are accepted, and pinned by its first line."""
    path = tmp_path / "decision_log.jsonl"
    path.write_bytes(b'{"decision":"continue"}\n{"decision":"escalate"}\n')
    append(path, note("paused", "first of the chain", AT))
    assert found(path) == []
    path.write_bytes(path.read_bytes().replace(b"escalate", b"continue"))
    assert [(one.line, one.what) for one in broken_links(path)] == [(3, UNLINKED)]


def test_half_a_line_is_set_aside_and_told(log: Path) -> None:
    """Half a line is reported, then kept byte for byte beside the log, with a line that says so."""
    whole, half = log.read_bytes(), b'{"half":"' + b"x" * 5000
    log.write_bytes(whole + half)
    assert [one.what for one in broken_links(log)] == [TORN]
    append(log, note("paused", "after the crash", AT))
    assert found(log) == []
    repair, last = (orjson.loads(one) for one in lines(log)[5:])
    assert (repair["decision"], last["reasoning"]) == (decision_log.REPAIRED, "after the crash")
    (aside,) = (log.parent / "decision_log.torn").iterdir()
    assert aside.read_bytes() == half
    assert aside.name in repair["reasoning"]


def test_a_line_is_written_once(log: Path) -> None:
    """What died before it could note a line repeats it, and it stands there once."""
    before = log.read_bytes()
    append(log, note("paused", "reason 3", AT, run_id="run-3"))
    assert log.read_bytes() == before


def write_many(path: Path, writer: int) -> None:
    """Append lines of one writer."""
    for number in range(20):
        append(path, note("paused", f"{writer}/{number}", AT))


@pytest.mark.waits
def test_writers_wait_for_each_other(tmp_path: Path) -> None:
    """Three processes write into one chain: no line is lost, torn or out of its place."""
    path = tmp_path / "decision_log.jsonl"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write_many, args=(path, writer)) for writer in range(3)]
    for one in processes:
        one.start()
    for one in processes:
        one.join(60)
    assert len(lines(path)) == 60
    assert found(path) == []


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return a store with the decisions that the log tells."""
    with open_store(f"sqlite:///{tmp_path / 'mend.db'}") as opened:
        journal = StoreJournal(opened.decisions, FileJournal(tmp_path / "agent_decision.json", tmp_path / "log.jsonl"))
        for number in range(3):
            context = replace(scenario(run_id=f"run-{number}"), timestamp=AT)
            decision = decide(context, load_matrix())
            journal.record(decision, log_line(context, decision))
        yield opened


@pytest.mark.waits
def test_the_store_tells_what_the_log_leaves_out(store: Store, tmp_path: Path) -> None:
    """The last line cut off breaks no chain, and the store misses it; a line that only the log has is one too many."""
    log = tmp_path / "log.jsonl"
    assert verify(store, log).findings == ()
    whole = lines(log)
    log.write_bytes(b"".join(whole[:2]))
    assert [(one.line, one.run_id) for one in verify(store, log).findings] == [(None, "run-2")]
    log.write_bytes(b"".join(whole))
    context = replace(scenario(run_id="run-9"), timestamp=AT)
    append(log, log_line(context, decide(context, load_matrix())))
    assert [(one.line, one.run_id) for one in verify(store, log).findings] == [(4, "run-9")]


@pytest.mark.waits
def test_decisions_are_found_by_time_and_rule(store: Store) -> None:
    """The list is newest first; a moment and a rule leave the others out."""
    assert [one.run_id for one in store.decisions.listed(2)] == ["run-2", "run-1"]
    assert store.decisions.listed(9, since=datetime.fromisoformat("2026-01-01T13:00:00+00:00")) == []
    rule = store.decisions.listed(1)[0].result.rules[0]
    assert len(store.decisions.listed(9, rule=rule)) == 3
    assert store.decisions.listed(9, rule="no_such_rule") == []
