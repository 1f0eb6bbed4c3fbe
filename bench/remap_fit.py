"""Find the weights of the score: a logistic regression over the cases for tuning. Prints what mend.remap.evidence holds."""

from collections.abc import Iterator

import numpy as np
from scipy.optimize import minimize

from mend.remap import evidence
from mend.remap.columns import leaf_columns
from mend.remap.matching import looked_at
from mend.remap.profile import profile
from mend.remap.rows import same_rows
from tests.remap_cases.case import Case
from tests.remap_cases.generated import tuning_cases

RIDGE = 1.0


def pairs(case: Case) -> Iterator[tuple[dict[str, float], bool]]:
    """Return the features of every pair looked at, and whether it is one column."""
    old, new = (
        {path: profile(one) for path, one in leaf_columns(None, side)[0].items()} for side in (case.old, case.new)
    )
    rows = same_rows(old, new)
    vanished, added = (
        [one for path, one in old.items() if path not in new],
        [one for path, one in new.items() if path not in old],
    )
    truth = {**case.renamed, **case.changed}
    for one in looked_at(old, new, vanished, added, rows):
        found = evidence.features(one.names, one.values, near=one.near, retyped=bool(one.type_change))
        yield found, truth.get(one.old.column.path) == one.new.column.path


def fit() -> dict[str, float]:
    """Return the weights that make the labels of the tuning cases likeliest, kept small by a ridge."""
    found = [one for case in tuning_cases() for one in pairs(case)]
    names = list(evidence.WEIGHTS)
    table = np.array([[one[name] for name in names] for one, _ in found])
    right = np.array([label for _, label in found], float)

    def loss(weights: np.ndarray) -> float:
        sums = table @ weights
        return float(np.sum(np.logaddexp(0, sums) - right * sums) + RIDGE * np.sum(weights[1:] ** 2) / 2)

    best = minimize(loss, np.zeros(len(names)), method="L-BFGS-B").x
    return {name: round(float(weight), 2) for name, weight in zip(names, best, strict=True)}


if __name__ == "__main__":
    print(fit())
