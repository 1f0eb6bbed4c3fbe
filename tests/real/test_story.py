"""The demo's story over real Kafka and Spark: a country goes bad, a field is renamed, and what was kept comes back."""

import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from cli.demo import with_pages
from cli.demo_facts import as_document
from cli.demo_page import write_pages
from cli.demo_view import Narrator, summary
from mend.proof.prove import Scope
from mend.runtime import clock
from orchestration.chaos import send
from orchestration.prove import certify
from orchestration.story import ACTS, Story
from orchestration.stream import News, finish
from tests.real.conftest import Flow

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]
EVENTS = 1_200


def test_a_bad_country_is_held_and_renamed_rows_come_back(flow: Flow, tmp_path: Path) -> None:
    """Acts 3 and 4: held and published, set aside and replayed in a person's name; the proof and the pages agree."""
    workspace, console = flow.workspace, Console(file=StringIO(), width=200)
    story = Story(workspace, ACTS[2:], EVENTS, "ann", Narrator(console, workspace, console.status("")), send)
    story.hear(News(kind="reading"))
    while not story.stop.asked.is_set():
        for run_id in flow.ingest():
            story.hear(finish(workspace, run_id))
    bad, renamed = story.played
    assert renamed.healing is not None
    made = renamed.healing.certificate
    assert made is not None
    assert (made.held, made.published, made.lost, made.twice, made.proven) == (300, 300, 0, 0, True)
    current = workspace.store.mappings.current("customers")
    assert current == renamed.healing.mapping
    assert current.created_by == "ann"
    proof = certify(workspace.settings, workspace.store, Scope(), now=clock.now(), pipelines=[workspace.pipeline])
    assert proof.proof.holds, proof.proof.findings[:1]
    german = flow.readable(union=True).filter("country = 'DE' AND NOT dq_email_valid").shape[0]
    assert german == 0

    acts = with_pages(workspace, story.played)
    assert acts[0].places["quarantined"] > 10
    assert dict(acts[1].places) == {"published": 600, "quarantined": 0, "dead": 0, "duplicate": 0}
    assert sum(one.counts.get("published", 0) for one in proof.proof.partitions) == sum(
        one.places["published"] for one in acts
    )
    page = write_pages(tmp_path / "pages", acts, proof)
    document = as_document(acts, proof, page)
    assert (document["proven"], document["acts"][1]["healing"]["approved_by"]) == (True, "ann")
    links = {path: set(re.findall(r'href="([^"#:]+)"', path.read_text("utf-8"))) for path in page.parent.iterdir()}
    assert {path.name for path in links} == {"index.html", "act-3.html", "act-4.html"}
    assert all((path.parent / one).is_file() for path, found in links.items() for one in found)
    assert len(links[page.with_name("act-4.html")]) == 3 + 2 + 1
    Console(file=console.file, width=100).print(summary(acts, proof, page))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "approved  by the demo itself, in your name (ann)" in said
    assert re.search(r"proven: every event is in exactly one place \(1,\d+ events\)", said)
    assert bad.healing is None
