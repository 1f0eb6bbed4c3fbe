"""Rows that wait, repaired and replayed on a real topic: Spark sets them aside, the real audit looks again."""

from time import time

import pytest

from mend.contracts.quarantine import Selection, Step
from mend.proof.prove import Known, Scope
from orchestration.held import accept, replay_rows, trial_of
from orchestration.prove import steady_proof
from tests.real.conftest import Flow, customer_event

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]
TEXTS = Selection(reasons=("type",), columns=("signup_ts",))
CAST = Step(kind="cast", target="signup_ts", value="int")


def test_repaired_events_are_published_once(flow: Flow) -> None:
    """A replay publishes what an ingest rejected; the stream then knows their keys, and the proof holds throughout."""
    at = int(time() * 1000) - 1000
    flow.send(*(customer_event(number, event_ts=at) for number in range(200)))
    wrong = [customer_event(number, event_ts=at, signup_ts=" 1700000000000") for number in (*range(200, 204), 5)]
    flow.send(*wrong, customer_event(204, event_ts=at, without=("plan",)))
    flow.run()
    workspace = flow.workspace
    trial = trial_of(workspace, TEXTS, [CAST])
    assert (trial.rows, trial.before, trial.passes, trial.refused) == (5, 0, 5, None)
    accept(workspace, TEXTS, [CAST], trial, "ada")
    made = replay_rows(workspace, Selection(), by="ada", reason="the app was fixed")
    assert made is not None
    assert (made.held, made.published, made.duplicates, made.still_held, made.lost) == (6, 4, 1, 1, 0)
    assert made.proven
    run = workspace.store.runs.get(made.run_id)
    assert run is not None
    assert run.quality is not None
    assert (run.quality.rows, run.verdict) == (4, "pass")
    flow.send(customer_event(200, event_ts=at))
    flow.run()
    assert flow.readable().aggregate("count(*), count(DISTINCT id)").fetchall() == [(204, 204)]
    assert steady_proof(workspace.settings, workspace.store, Scope(), Known()).holds
