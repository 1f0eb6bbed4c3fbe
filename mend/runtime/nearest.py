"""What a person probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a hint such as ` Did you mean 'topic'?`, else the list of valid names."""
    names = sorted(valid)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else f" Valid: {', '.join(names)}."
