"""Known shapes as tables that the queries of the pass join."""

from dataclasses import asdict
from typing import Any

import pyarrow as pa

from mend.curate.kept import REASON
from mend.curate.shapes import Shape

SHAPES = pa.schema(
    [
        ("shape", pa.uint64()),
        ("clean", pa.bool_()),
        ("drifted", pa.bool_()),
        ("present_count", pa.int32()),
        ("defaulted", pa.list_(pa.string())),
    ]
)
SHAPE_DETAILS = pa.schema(
    [
        ("shape", pa.uint64()),
        ("shape_reasons", pa.list_(REASON)),
        ("present", pa.list_(pa.string())),
        ("defaulted", pa.list_(pa.string())),
    ]
)


def shape_row(shape: Shape) -> dict[str, Any]:
    """Return a shape as a row of the table `shapes`: what every event needs of it."""
    return {
        "shape": shape.hash,
        "clean": shape.clean,
        "drifted": bool(shape.unknown),
        "present_count": len(shape.present),
        "defaulted": list(shape.defaulted),
    }


def detail_row(shape: Shape) -> dict[str, Any]:
    """Return a shape as a row of the table `shape_details`: what only misfits need of it."""
    return {
        "shape": shape.hash,
        "shape_reasons": [asdict(one) for one in shape.reasons],
        "present": list(shape.present),
        "defaulted": list(shape.defaulted),
    }
