"""The two errors that end a command with one clear line instead of a stack trace."""


class UserError(ValueError):
    """What the user gave cannot be used: the message says what, where, what to do (exit code 2)."""


class RunError(RuntimeError):
    """Something failed in the middle of a run: a full disk, a non-finite loss (exit code 1)."""
