"""Errors that a person can act on."""


class UserError(Exception):
    """Shown as one line without a stack trace: what happened, what was expected, what to do.

    The exit code says who must act: 1 a finding or a failed run, 2 wrong use,
    3 refused by a gate, 4 waits for a person.
    """

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        """Keep the message as the only argument, so that str(error) is the line a person reads."""
        super().__init__(message)
        self.exit_code = exit_code
