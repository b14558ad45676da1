"""The one error type of the product, and the exit codes that follow from it."""

from __future__ import annotations

import errno
import traceback
from enum import IntEnum

from farense_worker.protocol import plain_file
from farense_worker.protocol.language import gettext as _

# Kind of a rank's failure that only follows from another rank's.
PEER = "peer"
# And of a run that is short of memory though every row goes through the model alone.
LIMIT = "memory_limit"

_MOST = 2000  # characters of what a library says
# What code raises for a content that it cannot take, as libraries do that trust what they read.
OF_CONTENT = (
    *(ValueError, OSError, LookupError, RuntimeError, TypeError, AttributeError, NameError),
    *(ArithmeticError, AssertionError),
)


class ExitCode(IntEnum):
    """Exit codes of `farense-tui` and of the worker."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3  # before the start: bad data, a profile that is wrong, a run that is taken
    STOPPED = 130  # by the user


class FarenseError(Exception):
    """Something that the user has to know of, in three parts.

    title: what is wrong, one line. detail: where (file, line, key) and what was found.
    hint: what would be right. kind: a short machine-readable name.
    """

    def __init__(
        self,
        title: str,
        detail: str = "",
        hint: str = "",
        *,
        kind: str = "error",
        exit_code: ExitCode = ExitCode.FAILED,
    ) -> None:
        """Keep the parts; `str()` gives them as lines."""
        super().__init__(title)
        self.title = title
        self.detail = detail
        self.hint = hint
        self.kind = kind
        self.exit_code = exit_code

    def __str__(self) -> str:
        """Title, detail and hint, one a line."""
        return "\n".join(part for part in (self.title, self.detail, self.hint) if part)


def refused(title: str, detail: str = "", hint: str = "", *, kind: str = "refused") -> FarenseError:
    """Make the error for something that is found wrong before the start (exit code 3)."""
    return FarenseError(title, detail, hint, kind=kind, exit_code=ExitCode.REFUSED)


def usage(title: str, detail: str = "", hint: str = "") -> FarenseError:
    """Make the error for a command line that cannot be understood (exit code 2)."""
    return FarenseError(title, detail, hint, kind="usage", exit_code=ExitCode.USAGE)


def of_system(error: OSError) -> FarenseError:
    """Say what the system refused, where nobody has foreseen it."""
    path = plain_file.named_by(error)
    title = _("the system refused")
    if path:
        read = plain_file.was_read(error)
        title = (_("cannot read {path}") if read else _("{path} cannot be used")).format(path=path)
    hint = more_files() if error.errno in (errno.EMFILE, errno.ENFILE) else ""
    return FarenseError(title, error.strerror or str(error), hint, kind="system")


def unreadable(error: OSError) -> FarenseError:
    """Refuse for what could not be read, or be looked at."""
    told = of_system(error)
    return refused(told.title, told.detail, told.hint, kind="not_readable")


def more_files() -> str:
    """Say what helps where no more files may be open at once."""
    return _("Raise the limit, as ulimit -n 4096 does for this shell, or end other programs.")


def in_words(error: BaseException) -> str:
    """Give what a library's error says, without the types that a function of MLX's takes."""
    if isinstance(error, OSError) and error.strerror:  # without its number
        return ": ".join(filter(None, (plain_file.named_by(error), error.strerror)))
    listed = "The following argument types are supported"  # not translated: MLX's
    text = str(error).partition(listed)[0].strip()
    return text[:_MOST] or type(error).__name__


def first_line(error: BaseException) -> str:
    """Give the first line of `in_words`."""
    return in_words(error).splitlines()[0]


def is_fault(error: BaseException) -> bool:
    """Whether it is one, and no wish to end: a panic of Rust's libraries is none of Exception's."""
    return isinstance(error, Exception) or type(error).__module__ == "pyo3_runtime"


def of_fault(error: BaseException) -> FarenseError:
    """Say that this program has a fault, and where: the innermost line of the traceback.

    Where there was no memory left, that is no fault of it.
    """
    if isinstance(error, MemoryError):
        return FarenseError(
            _("there is not enough memory"),
            str(error),
            _("End other programs, or raise the limits that ulimit -v and ulimit -d show."),
            kind="memory",
        )
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return FarenseError(
        _("farense-tui has a fault: {kind}").format(kind=type(error).__name__),
        "\n".join(part for part in (str(error)[:500], where) if part),
        _("What was asked for may not have been done. Runs go on; please report it."),
        kind="fault",
    )
