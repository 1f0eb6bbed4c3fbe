"""What all tests share."""

import atexit
import os

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=500, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))  # the same examples each time, unless asked


def quiet_end() -> None:
    """Let pytest's line be the last: DuckDB's binding lists its own objects on stderr while the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


atexit.register(quiet_end)  # the first to be registered is the last to run
