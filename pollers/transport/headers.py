"""The headers of a response, by name in any case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


class Headers(Mapping[str, str]):
    """Headers as they came; repeated ones are joined by commas (RFC 9110, section 5.3).

    An attempt looks up a dozen that are seldom there, which costs `CaseInsensitiveDict` an exception each.
    """

    __slots__ = ("_names", "_values")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, str] = {}
        self._names: dict[str, str] = {}
        for name, value in items:
            lower = name.lower()
            self._values[lower] = f"{self._values[lower]}, {value}" if lower in self._values else value
            self._names[lower] = name

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def get(self, name: str, default: Any = None) -> Any:
        """Return a header; ``default`` when it has not come."""
        return self._values.get(name.lower(), default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.values())

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(dict(self))
