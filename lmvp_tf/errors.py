"""The errors that end a command with one clear line instead of a stack trace."""

from __future__ import annotations

_LONGEST = 1500  # characters of a message


class _OneLine(Exception):
    """Its message is one line, whatever somebody else's words are in it."""

    def __init__(self, message: object = "") -> None:
        text = printable(str(message))
        super().__init__(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


class UserError(_OneLine, ValueError):
    """What the user gave cannot be used: the message says what, where, what to do (exit code 2)."""


class RunError(_OneLine, RuntimeError):
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


def printable(text: str) -> str:
    """The text with what no line can show, such as a line break, as Python would write it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def one_line(value: object) -> str:
    """What somebody else wrote, or an error of a library, for a message: one line, not too long.

    A long one loses its middle: paths come first, and the reason last.
    """
    try:
        text = printable(" ".join(str(value).split()))
    except ValueError:  # Python writes out no number of more than 4,300 digits
        return "a number of thousands of digits"
    text = text or type(value).__name__
    return text if len(text) <= 200 else f"{text[:100]}...{text[-100:]}"
