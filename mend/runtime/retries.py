"""Retries are bounded, jittered, on named exceptions, and say in the log that they happened."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import stamina

P = ParamSpec("P")
T = TypeVar("T")


def retrying(
    on: type[Exception] | tuple[type[Exception], ...], *, attempts: int = 3, timeout: float = 30.0
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Retry a call on the named exceptions with exponential back-off and jitter; the last one is raised."""
    return stamina.retry(on=on, attempts=attempts, timeout=timeout, wait_initial=0.2, wait_max=5.0)
