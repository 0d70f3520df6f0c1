"""Every error a user can meet: one sentence that says what failed, and the command or setting that mends it.

Raise the narrowest class; the command line prints `str(error)` and exits with `exit_code`. No traceback reaches a user.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_NOTHING = 0, 1, 2, 3


class OttoError(Exception):
    """What failed, and the mend. `str(error)` is `what; mend` as one sentence."""

    exit_code = EXIT_FAILED

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(what, mend)
        self.what = what
        self.mend = mend

    def __str__(self) -> str:
        sentence = f"{self.what}; {self.mend}" if self.mend else self.what
        return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


class UsageError(OttoError):
    """The command was given something that it does not take."""

    exit_code = EXIT_USAGE


@dataclass(frozen=True)
class Problem:
    """One fault at one place of a file that a person wrote."""

    where: str  # "timer.py:12"
    what: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"; {self.mend}" if self.mend else "")


class Problems(OttoError):
    """Several faults, all reported at once, one a line."""

    def __init__(self, what: str, problems: Sequence[Problem]) -> None:
        super().__init__(what)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([f"{self.what}:", *(f"  {problem}" for problem in self.problems)])


class CallSyntaxError(OttoError):
    """A text is not a call. `position` is the offset in characters of the first thing that is wrong."""

    def __init__(self, what: str, position: int) -> None:
        super().__init__(f"{what} at character {position}", 'write a call as name(parameter="value")')
        self.position = position


class UnknownSkill(OttoError):
    """A call names a skill that is not installed."""


class InvalidCall(OttoError):
    """A call does not fit its skill's signature: a missing, unknown or ill-typed argument."""


class SkillDeclarationError(Problems):
    """A skill's declaration is broken; every fault is named with file and line."""


class ConfigError(Problems):
    """The settings have faults; all of them are named."""


class ExampleError(Problems):
    """An example file has faults; all of them are named."""


class SkillFailed(OttoError):
    """A skill raised, returned nonsense or died."""


class SkillTimeout(SkillFailed):
    """A skill was still running at its deadline."""


class SkillCancelled(SkillFailed):
    """The user wanted nothing more of a skill that was running."""


class NotConfirmed(OttoError):
    """A skill that needs confirmation did not get it."""


class AudioError(OttoError):
    """Sound cannot be read, recorded or played."""


class HotKeyError(OttoError):
    """Otto's ears cannot be opened by a key."""


class ServiceError(OttoError):
    """The system does not start Otto at login."""


class ModelError(OttoError):
    """A model is missing, damaged, or does not fit what it was asked for."""


class MissingExtra(OttoError):
    """An optional part is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed", f'install it with: pip install "otto-assistant[{extra}]"')


class NetworkError(OttoError):
    """A server is out of reach, slow, or answers with nonsense."""


class StoreError(OttoError):
    """A file or the database cannot be read or written."""
