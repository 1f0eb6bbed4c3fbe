"""The library's results over parts of a run's rows → its result over all of them. Pure."""

from collections.abc import Sequence
from typing import Any

COUNTS = ("element_count", "missing_count", "unexpected_count")
Found = dict[str, Any]


def merged(parts: Sequence[Found], others: Sequence[Found]) -> Found:
    """Return one document: the expectations of the parts with their counts added up, and those of the others as is."""
    summed = [summed_up(same) for same in zip(*(part["results"] for part in parts), strict=True)]
    results = [*summed, *(one for other in others for one in other["results"])]
    passed = sum(one["success"] for one in results)
    statistics = {
        "evaluated_expectations": len(results),
        "successful_expectations": passed,
        "unsuccessful_expectations": len(results) - passed,
        "success_percent": 100 * passed / len(results),
    }
    document = (*parts, *others)[0]
    return document | {"results": results, "statistics": statistics, "success": passed == len(results)}


def summed_up(same: Sequence[Found]) -> Found:
    """Return the result of one expectation over all parts; one that raised in any part is not known at all."""
    first = same[0]
    if any(one["expectation_config"]["meta"] != first["expectation_config"]["meta"] for one in same):
        raise ValueError("the parts list their expectations in another order")
    raised = next((one for one in same if raised_in(one)), None)
    if raised:
        return raised
    if "unexpected_count" not in first["result"]:
        return next((one for one in same if not one["success"]), first)
    counts = {name: sum(one["result"].get(name) or 0 for one in same) for name in COUNTS if name in first["result"]}
    judged = counts["element_count"] - counts.get("missing_count", 0)
    percent = 100 * counts["unexpected_count"] / judged if judged else 0.0
    result = first["result"] | counts | {"unexpected_percent": percent, "unexpected_percent_nonmissing": percent}
    total = counts["element_count"]
    result["missing_percent"] = 100 * counts.get("missing_count", 0) / total
    result["unexpected_percent_total"] = 100 * counts["unexpected_count"] / total
    mostly = first["expectation_config"]["kwargs"].get("mostly", 1.0)
    enough = not judged or (judged - counts["unexpected_count"]) / judged >= mostly
    return first | {"result": result, "success": enough}


def raised_in(found: Found) -> Found | None:
    """Return the exception of a result; the library lists one, or one a metric."""
    exceptions = found["exception_info"] or {}
    several = [exceptions] if "raised_exception" in exceptions else list(exceptions.values())
    return next((each for each in several if each["raised_exception"]), None)
