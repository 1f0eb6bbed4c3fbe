"""Secrets and personal data are nowhere in what people and programs read about a run."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from cli.main import cli
from mend.runtime.redact import looks_of
from tests.fast.alert_servers import SlackServer, slack_server
from tests.real.conftest import Flow, customer_event

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

PERSON = "Canária Quincey"
MAIL = "canary.person@example.com"
BAD_MAIL = "canary-without-an-at"
SECRETS = {
    "SMTP_PASSWORD": "smtp/canary+pass",
    "OPENAI_API_KEY": "sk-canary-openai-key",
    "SLACK_BOT_TOKEN": "",
    "HEARTBEAT_URL": "http://127.0.0.1:1/canary-heartbeat-0123456789",
    "SCHEMA_REGISTRY_URL": "http://user:canary%2Fregistry@127.0.0.1:1",
}
WEBHOOK_PATH = "/services/T0CANARY/B0CANARY/canarywebhookpath"


def canaries() -> set[str]:
    """Return every writing of what must not be found."""
    values = [PERSON, MAIL, BAD_MAIL, "canary/registry", WEBHOOK_PATH, *(one for one in SECRETS.values() if one)]
    return {look for value in values for look in looks_of(value)}


def found_in(content: bytes) -> set[str]:
    """Return the canaries in a text."""
    text = content.decode("utf-8", "replace")
    return {one for one in canaries() if one in text}


def read_by_people(flow: Flow) -> Iterator[tuple[Path, bytes]]:
    """Yield all reports, logs and pages, and the store."""
    home = flow.workspace.settings.home
    paths = [*(home / "ops").rglob("*"), *home.glob("mend.db*"), *home.glob("*.log")]
    return ((path, path.read_bytes()) for path in paths if path.is_file())


def test_no_canary_leaves_the_data(flow: Flow) -> None:
    """Of a run that publishes, rejects, escalates and alerts: reports, pages, logs, store, output and messages."""
    good = [customer_event(one, name=PERSON, email=MAIL) for one in range(10)]
    bad = [customer_event(100 + one, name=PERSON, email=BAD_MAIL, without=("country",)) for one in range(10)]
    flow.send(*good, *bad, f'{{"name": "{PERSON}", "email": "{MAIL}'.encode())
    flow.ingest()
    with slack_server() as slack:
        settings = SECRETS | {"ALERT_SLACK_WEBHOOK_URL": slack.url + WEBHOOK_PATH}
        variables = flow.command().variables | settings
        done = CliRunner().invoke(cli, ["-vv", "run"], env=variables)
        shown = [CliRunner().invoke(cli, words, env=variables) for words in (["alerts", "ls", "--all"], ["status"])]
        assert done.exit_code == 1, done.output
        assert_told(slack)
        messages = [one["raw"] for one in slack.posted]
    kept = b"".join(path.read_bytes() for path in flow.workspace.settings.home.rglob("*.parquet"))
    assert BAD_MAIL.encode() in kept, "the canaries went through the run"
    for text in (*messages, done.output.encode(), *(one.output.encode() for one in shown)):
        assert found_in(text) == set()
    assert {path.name: leak for path, content in read_by_people(flow) if (leak := found_in(content))} == {}


def assert_told(slack: SlackServer) -> None:
    """Check that there was something to find canaries in."""
    assert slack.arrived
    assert orjson.loads(slack.arrived[0]["raw"])["text"]


def test_an_error_about_a_secret_does_not_show_it(tmp_path: Path) -> None:
    """The store's password, in a URL that does not work."""
    url = "postgresql://mend:canary%2Fregistry@127.0.0.1:1/mend?connect_timeout=1"
    done = CliRunner().invoke(cli, ["status"], env={"DATABASE_URL": url, "MEND_HOME": str(tmp_path)})
    assert done.exception is not None
    assert "127.0.0.1" in str(done.exception)
    assert found_in(str(done.exception).encode() + done.output.encode()) == set()
