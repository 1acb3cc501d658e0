"""What a setting may be: each rule tests a value, and says in words what is allowed."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass


class Rule(ABC):
    """What one setting may be.

    Rules state what is allowed, so that NaN, which compares false to everything, is refused.
    """

    unit: str = ""

    @abstractmethod
    def allows(self, value: object) -> bool:
        """Whether a value keeps the rule."""

    @property
    @abstractmethod
    def sentence(self) -> str:
        """What must be, as an error says it after "must be"."""

    @property
    @abstractmethod
    def range(self) -> str:
        """What may be, as a table says it."""


@dataclass(frozen=True)
class Between(Rule):
    """A number from ``low`` to ``high``, both included; with ``or_zero`` 0 as well."""

    low: float
    high: float
    unit: str = ""
    or_zero: bool = False

    def allows(self, value: object) -> bool:
        return self.low <= value <= self.high or (self.or_zero and value == 0)  # type: ignore[operator]

    @property
    def sentence(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{'0, or ' if self.or_zero else ''}between {self.low:.7g} and {self.high:.7g}{unit}"

    @property
    def range(self) -> str:
        return f"{'0, or ' if self.or_zero else ''}{self.low:.7g} to {self.high:.7g}"


@dataclass(frozen=True)
class AboveZero(Rule):
    """A number above 0."""

    unit: str = ""

    def allows(self, value: object) -> bool:
        return 0 < value < float("inf")  # type: ignore[operator]

    @property
    def sentence(self) -> str:
        return f"finite and above 0 {self.unit}".rstrip()

    @property
    def range(self) -> str:
        return "above 0"


class Switch(Rule):
    """0 or 1."""

    def allows(self, value: object) -> bool:
        return value in (0, 1)

    @property
    def sentence(self) -> str:
        return "0 or 1"

    @property
    def range(self) -> str:
        return "0, 1"


@dataclass(frozen=True)
class OneOf(Rule):
    """One of some names, or the path of a file with one of some endings; with ``or_none`` nothing, too.

    Attributes:
        names: The names, and what each stands for.
        endings: How the file's name ends.
        file: What such a file is.
    """

    names: Mapping[str, str]
    endings: tuple[str, ...] = ()
    file: str = ""
    or_none: bool = False

    def allows(self, value: object) -> bool:
        if self.endings and isinstance(value, str) and value.endswith(self.endings):
            return True  # whether it can be read is found when it is opened
        return value in (*self.names, *([""] if self.or_none else []))

    @property
    def sentence(self) -> str:
        file = f", or {self.file} ({', '.join(self.endings)})" if self.endings else ""
        return "one of " + ", ".join(self.names) + file

    @property
    def range(self) -> str:
        return ", ".join(f"`{name}`" for name in self.names) + (f", or {self.file}" if self.endings else "")


@dataclass(frozen=True)
class Matching(Rule):
    """A text of a form: ``words`` say which, for people."""

    form: re.Pattern[str]
    words: tuple[str, ...]

    def allows(self, value: object) -> bool:
        return isinstance(value, str) and self.form.fullmatch(value) is not None

    @property
    def sentence(self) -> str:
        return f"{', '.join(self.words[:-1])} or {self.words[-1]}"

    @property
    def range(self) -> str:
        return ", ".join(f"`{word}`" for word in self.words)


@dataclass(frozen=True)
class Text(Rule):
    """Any text: ``what`` says of what."""

    what: str
    briefly: str

    def allows(self, value: object) -> bool:
        return isinstance(value, str)

    @property
    def sentence(self) -> str:
        return self.what

    @property
    def range(self) -> str:
        return self.briefly
