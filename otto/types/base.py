"""What every spoken type has in common: how it is parsed, validated by pydantic, and described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import Self

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

MAX_LENGTH = 2_000  # characters of a said value; longer text is nobody's value


class SpokenType:
    """A parameter type whose values are normalised from what was said.

    `pattern` is an unanchored regular expression, safe for Rust's engine, that describes the canonical texts: what it
    matches in full (up to MAX_LENGTH characters) parses, and every canonical text matches it. For names it is wider:
    some words that look like a name are none ("Tomorrow").
    """

    description: ClassVar[str]
    pattern: ClassVar[str]
    refused: ClassVar[str] = ""  # what matches the pattern and yet is not of this type, where one expression cannot say both
    samples: ClassVar[tuple[str, ...]]

    @classmethod
    def parse(cls, said: str | int | float) -> Self:
        """The value of what was said. Raises ValueError, one sentence, where it is not of this type."""
        raise NotImplementedError

    @classmethod
    def jsgf(cls) -> str | None:
        """JSGF rules of spoken values, the first named after the class; None where they cannot be listed."""
        return None

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON schema of the canonical values."""
        return {"type": "string", "pattern": f"^({cls.pattern})$"}

    @classmethod
    def refusal(cls, said: object) -> ValueError:
        """The error for what is not of this type."""
        return ValueError(f"{str(said)[:80]!r} is not {cls.description}")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(cls.parse)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        return cls.json_schema()


class SpokenText(SpokenType, str):
    """A spoken type whose canonical value is a text. Constructing one parses: `Duration("an hour") == "1 hour"`."""

    __slots__ = ()

    def __new__(cls, said: str | int | float) -> Self:
        if type(said) is cls:
            return said
        if isinstance(said, bool) or not isinstance(said, str | int | float):
            raise cls.refusal(said)
        text = said if isinstance(said, str) else f"{said:.15g}"
        canonical = cls.normalise(text) if len(text) <= MAX_LENGTH else None
        if not canonical:
            raise cls.refusal(said)
        return super().__new__(cls, canonical)

    @classmethod
    def parse(cls, said: str | int | float) -> Self:
        """The value of what was said. Raises ValueError, one sentence, where it is not of this type."""
        return cls(said)

    @classmethod
    def normalise(cls, said: str) -> str | None:
        """The canonical text of what was said, None where it is not of this type."""
        raise NotImplementedError
