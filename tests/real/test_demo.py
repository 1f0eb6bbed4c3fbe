"""`mend demo`: from nothing to a page, and nothing left behind when it is interrupted."""

import re
import signal
from pathlib import Path

import pytest

from embedded.jars import Jars
from embedded.java import Java
from tests.real.conftest import Command, positions

pytestmark = pytest.mark.spark

EVENTS = 2000


def test_the_demo_can_be_interrupted_and_begun_again(jars: Jars, java: Java, tmp_path: Path) -> None:
    """Ctrl-C ends all that it started; the next demo in the same folder plays all acts and accounts for every event."""
    assert jars.kafka
    assert java.executable.exists()
    command = Command(folder=tmp_path, variables={"MEND_HOME": "not used", "KAFKA_BROKER": "not.used:1"})
    options = ("demo", "--events", str(EVENTS), "--folder", "made")
    with command.start(*options) as first:
        assert command.until(command.spark)
        first.send_signal(signal.SIGINT)
        assert first.wait(30) == 130
        assert first.stderr is not None
        assert "Traceback" not in first.stderr.read()
    assert command.ended()

    done = command.run(*options)
    assert done.returncode == 0, done.stderr
    assert command.ended()
    home = tmp_path / "made" / "data"
    places = {
        "published": positions((home / "out" / "parquet").rglob("*.parquet")),
        "quarantined": positions((home / "quarantine").rglob("*.parquet")),
        "dead letters": positions((home / "dead_letters").rglob("*.parquet")),
        "duplicates": positions((home / "duplicates").rglob("*.parquet")),
    }
    # What is replayed is published, and its original stays in the quarantine until retention ends.
    replayed = set(positions((home / "out" / "parquet").glob("run=*-replay-*/**/*.parquet")))
    assert len(replayed) == EVENTS // 4 // 2
    assert replayed <= set(places["quarantined"])
    assert sum(found.total() for found in places.values()) == EVENTS + len(replayed)
    assert len(set().union(*places.values())) == EVENTS
    for label, found in places.items():
        wait = found.total() - len(replayed) * (label == "quarantined")
        assert re.search(rf"^{label}\W+{wait:,}\b", done.stdout, re.MULTILINE), label
    told = [done.stderr.index(f"Act {number} ·") for number in range(1, 5)]
    assert told == sorted(told)
    assert (tmp_path / "made" / "pages" / "act-4.html").is_file()
    pages = [path.read_text(encoding="utf-8") for path in (home / "ops" / "runs").rglob("run.html")]
    links = re.compile(r"(?:src|href)\s*=\s*[\"']?(?!#|data:)[^\s\"'>]+|url\((?!#)[^)]*\)|@import|https?://")
    assert len(pages) >= 6
    assert {one for page in pages for one in links.findall(page)} == {'href="data_docs.html'}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made"]
