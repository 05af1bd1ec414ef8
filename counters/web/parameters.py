"""The parameters in a request's query."""

from __future__ import annotations

from urllib.parse import parse_qsl

from counters.web.request import BadRequest

_MAX_PARAMETERS = 1100
"""More than the keys that one request may ask for."""


class Parameters:
    """The parameters of one request, which may have certain names only."""

    def __init__(self, query: str, *names: str) -> None:
        """
        Args:
            query: what stands behind the "?", as it was sent.
            names: those that are known.

        Raises:
            BadRequest: it has another one, or too many, or something is not UTF-8.
        """
        try:
            self._pairs = parse_qsl(
                query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS
            )
        except UnicodeDecodeError as error:
            raise BadRequest("a parameter is not valid UTF-8", field="query") from error
        except ValueError as error:
            sentence = f"more than {_MAX_PARAMETERS} parameters"
            raise BadRequest(sentence, field="query", limit=_MAX_PARAMETERS) from error
        for name, _ in self._pairs:
            if name not in names:
                known = ", ".join(names)
                raise BadRequest(f"{name} is no parameter here: there are {known}", field=name)

    def __contains__(self, name: str) -> bool:
        return any(each == name for each, _ in self._pairs)

    def all(self, name: str) -> list[str]:
        """Return the values of a parameter, in their order."""
        return [value for each, value in self._pairs if each == name]

    def one(self, name: str, default: str = "") -> str:
        """Return the value of a parameter that may be given once.

        Raises:
            BadRequest: it is given twice.
        """
        values = self.all(name)
        if len(values) > 1:
            raise BadRequest(f"{name} is given twice", field=name, limit=1)
        return values[0] if values else default

    def switch(self, name: str) -> bool:
        """Return whether a parameter is 1; it may be 0 or absent, too.

        Raises:
            BadRequest: it is something else.
        """
        value = self.one(name, "0")
        if value not in ("0", "1"):
            raise BadRequest(f"{name} is neither 0 nor 1", field=name)
        return value == "1"

    def whole_number(self, name: str, default: int, least: int, most: int) -> int:
        """Return the value of a parameter that is a whole number within limits.

        Raises:
            BadRequest: it is not.
        """
        text = self.one(name, str(default))
        digits = text if text.isascii() and text.isdigit() else ""
        if not digits:
            raise BadRequest(f"{name} is not a whole number", field=name)
        if not least <= int(digits[:10]) <= most or len(digits) > 10:
            limit = most if int(digits[:10]) > most or len(digits) > 10 else least
            raise BadRequest(f"{name} is not from {least} to {most}", field=name, limit=limit)
        return int(digits)
