"""The matchers of `valentine` on the cases of bench.remap: run by an interpreter of an environment of its own.

Reads `<case>.old.parquet` and `<case>.new.parquet` of a folder, prints {matcher: {case: [[old, new, score], …]}}.
"""

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

ROWS = 300
"""Rows of a sample that a peer gets: some of them take minutes for a thousand."""


def matchers() -> dict[str, Any]:
    """Return the matchers that need no download: Cupid and Coma's comparison of values want texts of NLTK."""
    from valentine import algorithms as known

    return {
        "Coma (names)": known.Coma(),
        "DistributionBased": known.DistributionBased(),
        "JaccardDistance": known.JaccardDistanceMatcher(),
        "SimilarityFlooding": known.SimilarityFlooding(),
    }


def main(folder: Path) -> None:
    """Match every case with every matcher."""
    import pandas as pd
    from valentine import valentine_match

    found: dict[str, dict[str, list[Any]]] = {}
    seconds: dict[str, float] = {}
    cases = sorted(path.name.removesuffix(".old.parquet") for path in folder.glob("*.old.parquet"))
    for name, matcher in matchers().items():
        began = perf_counter()
        found[name] = {}
        for case in cases:
            frames = [pd.read_parquet(folder / f"{case}.{side}.parquet").head(ROWS) for side in ("old", "new")]
            try:
                pairs = dict(valentine_match(frames, matcher))
            except Exception as error:  # noqa: BLE001 - a peer that fails on a case has found nothing there
                sys.stderr.write(f"{name} failed on case {case}: {type(error).__name__}\n")
                pairs = {}
            found[name][case] = [[pair.source_column, pair.target_column, score] for pair, score in pairs.items()]
        seconds[name] = perf_counter() - began
    sys.stdout.write(json.dumps({"found": found, "seconds": seconds}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
