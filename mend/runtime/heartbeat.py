"""A sign of life to a monitor elsewhere: it calls people when the signs stop, whatever died here."""

from mend.runtime.logging import get_logger

TIMEOUT_SECONDS = 5.0
GOOD = 300


def ping(url: str) -> bool:
    """Fetch the address, once; a failure is logged and does no harm, since one missed sign is no alarm."""
    if not url:
        return False
    import urllib3

    try:
        with urllib3.PoolManager() as pool:
            status = pool.request("GET", url, timeout=TIMEOUT_SECONDS, retries=False, redirect=False).status
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        get_logger().warning("heartbeat_failed", error=type(error).__name__)
        return False
    if status >= GOOD:
        get_logger().warning("heartbeat_failed", status=status)
    return status < GOOD
