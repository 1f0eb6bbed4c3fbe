"""What all tests share."""

import atexit
import os


def quiet_end() -> None:
    """Let pytest's line be the last: DuckDB's binding lists its own objects on stderr while the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


atexit.register(quiet_end)  # the first to be registered is the last to run
