"""`mend init` on a live topic: what it writes runs at once."""

from pathlib import Path

import orjson
import pytest

from tests.real.conftest import Flow, Platform

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]


def test_a_proposed_pipeline_runs_at_once(flow: Flow, platform: Platform, tmp_path: Path) -> None:
    """From a topic that nobody described: three files, and a run that publishes all that was sent, undisturbed."""
    flow.send_customers(300)
    pipeline, settings = flow.workspace.pipeline, flow.workspace.settings
    done = flow.command().run(
        "init", "--topic", pipeline.topic, "--name", "found", "--broker", settings.kafka_broker,
        "--folder", str(tmp_path / "drafts"), "--json",
    )  # fmt: skip
    assert (done.returncode, orjson.loads(done.stdout)["sample"]["accepted"]) == (0, 300), done.stderr
    with platform.flow(tmp_path / "found", pipeline.topic, base=tmp_path / "drafts" / "found.yml") as found:
        found.run()
        assert found.readable().aggregate("count(*)").fetchall() == [(300,)]


def test_an_unknown_topic_is_said(flow: Flow, tmp_path: Path) -> None:
    """A topic that is not there is one line and no file."""
    broker = flow.workspace.settings.kafka_broker
    done = flow.command().run("init", "--topic", "nobody", "--broker", broker, "--folder", str(tmp_path / "drafts"))
    assert (done.returncode, "topic 'nobody' is not on" in done.stderr) == (1, True)
    assert not (tmp_path / "drafts").exists()
