"""How many rows a run should have, judged by the runs before it. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from mend.contracts.rules import Rule, RuleSet
from mend.quality.arguments import MIN_RUNS, RUNS
from mend.quality.vocabulary import ROW_COUNT

OURS = ("within", "runs", "min_runs")
"""Arguments that the library does not know: they become its bounds."""


def history_needed(rules: RuleSet) -> int:
    """Return how many runs before are asked about; 0 when no rule compares with them."""
    return max((rule.arguments.get("runs", RUNS) for rule in rules.rules if compares(rule)), default=0)


def compares(rule: Rule) -> bool:
    """Whether the rule compares with the runs before."""
    return rule.expectation == ROW_COUNT and "within" in rule.arguments


def with_history(rules: RuleSet, history: Sequence[int]) -> RuleSet:
    """Give rules that compare with the runs before their bounds; `history` has their rows, the newest first.

    Below `min_runs` there is no bound and no verdict but `pass`: the first days of a pipeline are no anomaly.
    """
    resolved = (resolve(rule, history) if compares(rule) else rule for rule in rules.rules)
    return replace(rules, rules=tuple(resolved))


def resolve(rule: Rule, history: Sequence[int]) -> Rule:
    """Return the rule with its bounds, and their reason as the first line of its notes."""
    known = history[: rule.arguments.get("runs", RUNS)]
    needed = rule.arguments.get("min_runs", MIN_RUNS)
    bounds: dict[str, Any] = {"min_value": 0}
    why = f"not judged before {needed} runs, {len(known)} so far"
    if len(known) >= needed:
        middle, within = median(known), rule.arguments["within"]
        bounds = {"min_value": round(middle * (1 - within)), "max_value": round(middle * (1 + within))}
        why = f"expected {bounds['min_value']} to {bounds['max_value']}: the median of {len(known)} runs ± {within:.0%}"
    return replace(rule, arguments=rule.arguments | bounds, notes="\n".join(filter(None, (why, rule.notes))))
