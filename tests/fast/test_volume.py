"""How many rows a run should have: the median of the runs before, and how far from it is too far."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mend.contracts.rules import RuleSet
from mend.quality.rules import load_rules
from mend.quality.volume import history_needed, with_history
from mend.runtime.errors import UserError

pytestmark = pytest.mark.dq

COUNT = "expect_table_row_count_to_be_between"


def rules_of(folder: Path, **arguments: Any) -> RuleSet:
    """Return a rules file with one rule about the volume."""
    rule = {"expectation_type": COUNT, "meta": {"notes": "The shop never sleeps."}} | arguments
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump({"business_rules": {"volume": {"expectations": [rule]}}}))
    return load_rules(path)


def bounds(rules: RuleSet, *history: int) -> tuple[int | None, int | None]:
    """Return what the rule expects after a history, the newest run first."""
    (rule,) = with_history(rules, history).rules
    return rule.arguments.get("min_value"), rule.arguments.get("max_value")


def test_the_median_is_the_measure(tmp_path: Path) -> None:
    """One odd run among the last moves nothing; an even number of runs has its middle between two."""
    rules = rules_of(tmp_path, within=0.2, min_runs=3)
    assert bounds(rules, 100, 1_000_000, 100) == (80, 120)
    assert bounds(rules, 100, 0, 200, 100, 200, 150) == (100, 150)


def test_only_the_last_runs_count(tmp_path: Path) -> None:
    """`runs` says how many; more are not asked for."""
    rules = rules_of(tmp_path, within=0.5, runs=3, min_runs=3)
    assert history_needed(rules) == 3
    assert bounds(rules, 10, 10, 10, 999, 999, 999, 999) == (5, 15)


def test_a_young_pipeline_is_no_anomaly(tmp_path: Path) -> None:
    """Below `min_runs` (5 by default) any volume passes, and the notes say why."""
    rules = rules_of(tmp_path, within=0.2)
    assert bounds(rules, 10, 10, 10, 10) == (0, None)
    (young,) = with_history(rules, [10] * 4).rules
    assert young.notes == "not judged before 5 runs, 4 so far\nThe shop never sleeps."
    assert bounds(rules, *[10] * 5) == (8, 12)


def test_fixed_bounds_need_no_history(tmp_path: Path) -> None:
    """They stay, and nothing is looked up; without any rule about volume nothing is, either."""
    rules = rules_of(tmp_path, min_value=1, max_value=5)
    assert (history_needed(rules), bounds(rules, 99, 99)) == (0, (1, 5))
    assert rules.rules[0].name == "run.row_count"
    assert rules.rules[0].severity == "warn"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "min_value or max_value is missing"),
        ({"within": 0}, "within: is a share above 0"),
        ({"within": 0.2, "max_value": 5}, "leave out min_value and max_value"),
        ({"within": 0.2, "runs": 4}, "min_runs is greater than runs"),
        ({"within": 0.2, "runs": 10_000}, "runs: is a whole number from 1 to 200"),
        ({"min_runs": 3, "min_value": 1}, "belong to `within`"),
        ({"min_value": 1.5}, "the bounds of a count are whole numbers"),
        ({"within": 0.2, "column": "id"}, "'column' is not a key of"),
    ],
)
def test_what_cannot_be_judged_is_refused(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    """One line before anything starts."""
    with pytest.raises(UserError) as caught:
        rules_of(tmp_path, **arguments)
    assert message in str(caught.value)
