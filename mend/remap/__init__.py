"""Where the values of vanished columns went: `match_columns` over Arrow tables, `rename_candidates` for a run report."""

from mend.remap.matching import match_columns, rename_candidates

__all__ = ["match_columns", "rename_candidates"]
