"""A YAML file that a person wrote: what it says, and on which line each key stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from otto.errors import ConfigError, MissingExtra, Problem, StoreError

Place = tuple[str | int, ...]


class YamlFile:
    """The values of a file, a mapping, and where they stand."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError where the file cannot be read, ConfigError where it is no YAML mapping or has a key twice."""
        try:
            import yaml
        except ImportError:
            raise MissingExtra("pyyaml", "finetune") from None
        self.path = path
        self._lines: dict[Place, int] = {}
        self._twice: list[Problem] = []
        try:
            text = path.read_text(encoding="utf-8-sig")
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            self.values: dict[str, Any] = yaml.safe_load(text) or {}
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise StoreError(f"{path} cannot be read ({reason})", "check its path; finetune/configs has one for each stage") from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f"{path.name}:{mark.line + 1}" if mark else path.name
            what = f"this is not YAML ({getattr(error, 'problem', None) or error})"
            raise ConfigError(f"{path} has a mistake", [Problem(where, what)]) from None
        if not isinstance(self.values, dict):
            raise ConfigError(f"{path} has a mistake", [Problem(f"{path.name}:1", "these are not settings", "write one `name: value` a line")])
        if node is not None:
            self._walk(node, ())
        if self._twice:
            raise ConfigError(f"{path} has mistakes", self._twice)

    def where(self, place: Place) -> str:
        """The file and line of a setting, or of the nearest one around it."""
        for end in range(len(place), 0, -1):
            if place[:end] in self._lines:
                return f"{self.path.name}:{self._lines[place[:end]]}"
        return self.path.name

    def _walk(self, node: Any, place: Place) -> None:
        import yaml

        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = (*place, str(key.value))
                if inner in self._lines:
                    name = ".".join(map(str, inner))
                    self._twice.append(
                        Problem(f"{self.path.name}:{key.start_mark.line + 1}", f"{name} stands in line {self._lines[inner]} already", "delete one")
                    )
                self._lines[inner] = key.start_mark.line + 1
                self._walk(value, inner)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._lines[(*place, index)] = value.start_mark.line + 1
                self._walk(value, (*place, index))


def read_override(text: str) -> tuple[tuple[str, ...], Any] | Problem:
    """`lora.r=8` → its place and value, as YAML writes a value; or what is wrong with it."""
    import yaml

    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        return Problem(text, "this is not an override", "write it as name=value, such as lora.r=8")
    try:
        return tuple(name.strip().split(".")), yaml.safe_load(value)
    except yaml.YAMLError:
        return Problem(text, f"{value!r} is not a YAML value", "quote it")
