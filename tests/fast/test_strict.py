"""A pipeline that refuses unknown fields does not let the machine add them to its contract."""

from dataclasses import replace
from typing import Any, Literal

import pytest

from agent.decide import decide
from agent.matrix_file import load_matrix
from agent.testing import scenario
from mend.contracts.decision import Action
from mend.curate.plan import Plan
from orchestration.decision_step import limits_of

NEW = {"name": "nick", "type": "VARCHAR", "count": 900}
DRIFT: dict[str, Any] = {"schema_drift_detected": True, "schema_drift_count": 900, "drift": {"added": [NEW]}}


@pytest.mark.parametrize(
    ("unknown_fields", "action", "rule"),
    [("keep", Action.REMAP, "drift_additive"), ("reject", Action.ESCALATE, "drift_additive_by_hand")],
)
def test_who_lets_the_contract_grow(
    customers: Plan, unknown_fields: Literal["keep", "reject"], action: Action, rule: str
) -> None:
    """Kept fields enter the mapping by themselves; where they are rejected, a person is asked."""
    pipeline = replace(customers.pipeline, unknown_fields=unknown_fields)
    decision = decide(scenario(DRIFT, pipeline_config=limits_of(pipeline)), load_matrix())
    assert (decision.actions, decision.rules) == ((action,), (rule,))
