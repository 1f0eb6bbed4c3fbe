"""Great Expectations' Data Docs of a run: one page that needs nothing else, no network and no script."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

SPECIAL = "<>&\"'`$*_[]\\#|~!"
GUARD = {ord(sign): chr(0xE000 + place) for place, sign in enumerate(SPECIAL)}
"""Stand-ins for what HTML, Markdown or the library's own templates would read in a text that is only a text.

The library escapes some texts and not others, so none reaches it as it is; the stand-ins become entities at the end.
"""
SAFE = {0xE000 + place: f"&#{ord(sign)};" for place, sign in enumerate(SPECIAL)}
DEAD_LINK = re.compile(r'<a href="\.\./[^"]*"\s*>(.*?)</a>', re.DOTALL)
KEPT = {"type", "ignore_row_if", "validation_time", "run_time", "batch_id", "great_expectations_version"}
"""Words of the library that it looks up; everything else is guarded."""

Found = dict[str, Any]


def render(found: Found, *, run_id: str, pii: Collection[str] = ()) -> str:
    """Return the page of the library's own result (`ge_validation.json`); values of `pii` columns are left out.

    Texts of rules and columns are shown as texts, whatever is in them.
    """
    from great_expectations.core.expectation_validation_result import expectationSuiteValidationResultSchema
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    guarded = guard(without_values(found, pii))
    guarded["meta"] = {name: one for name, one in guarded["meta"].items() if name in META} | {
        "run_id": {"run_name": run_id.translate(GUARD), "run_time": found["meta"]["run_id"]["run_time"]}
    }
    content = ValidationResultsPageRenderer().render(expectationSuiteValidationResultSchema.load(guarded))
    view = DefaultJinjaPageView(custom_views_directory=str(Path(__file__).parent / "templates"))
    page: str = view.render(content, template="data_docs.html.j2", run=run_id.translate(GUARD))
    return DEAD_LINK.sub(r"\1", page).translate(SAFE)


META = {"great_expectations_version", "validation_time"}


def guard(document: Any, name: str = "") -> Any:
    """Return a document whose texts nothing can read as anything but text."""
    if isinstance(document, dict):
        return {key: guard(one, key) for key, one in document.items()}
    if isinstance(document, list):
        return [guard(one, name) for one in document]
    if isinstance(document, str) and name not in KEPT:
        return document.translate(GUARD)
    return document


def without_values(found: Found, pii: Collection[str]) -> Found:
    """Leave out what the library saw in columns of personal data, and its stack traces."""
    return found | {"results": [without_value(one, pii) for one in found["results"]]}


def without_value(one: Found, pii: Collection[str]) -> Found:
    """Leave value and stack trace out of one result."""
    kwargs = one["expectation_config"]["kwargs"]
    columns = {kwargs.get(name) for name in ("column", "column_A", "column_B")}
    result = {
        name: value for name, value in one["result"].items() if name != "observed_value" or columns.isdisjoint(pii)
    }
    return one | {"result": result, "exception_info": without_traces(one["exception_info"] or {})}


def without_traces(raised: dict[str, Any]) -> dict[str, Any]:
    """Empty the stack traces: they name places on the machine of the audit."""
    return {
        name: "" if name == "exception_traceback" else without_traces(one) if isinstance(one, dict) else one
        for name, one in raised.items()
    }
