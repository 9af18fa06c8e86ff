"""The errors that end a command with one clear line instead of a stack trace."""


class UserError(ValueError):
    """What the user gave cannot be used: the message says what, where, what to do (exit code 2)."""


class RunError(RuntimeError):
    """Something failed in the middle of a run: a full disk, a non-finite loss (exit code 1)."""


class WriteError(RunError):
    """A file cannot be written.

    Attributes:
      passing: whether it may be otherwise in a while: a full disk has space again, a file system
        that is away comes back.
    """

    def __init__(self, message: str, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


class WorkerLost(RunError):
    """Another worker of a distributed run has gone (exit code 143).

    Nothing is wrong with the run itself: started again it goes on from its last checkpoint.
    """
