"""What a client sent, held to the names Twilio knows: a misspelt parameter is refused, not overlooked."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from orchestrator.sandbox import rules
from orchestrator.sandbox.errors import TwilioError, bad_parameter

Pairs = list[tuple[str, str]]

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 1000


def parse(text: bytes) -> Pairs:
    """The pairs of a form, in order, empty values kept. Raises TwilioError when it is none."""
    try:
        decoded = text.decode("utf-8")
        return parse_qsl(
            decoded, keep_blank_values=True, strict_parsing=bool(decoded), errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise bad_parameter(f"The form cannot be read: {error}") from error


def as_object(pairs: Pairs) -> dict[str, Any]:
    """The pairs as one object; a repeated name has a list."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


class Form:
    """Parameters by name. `arrays` may be repeated; anything outside both sets is refused (400)."""

    def __init__(self, pairs: Pairs, names: Collection[str], arrays: Collection[str] = ()) -> None:
        unknown = sorted({name for name, _ in pairs} - {*names, *arrays})
        if unknown:
            raise bad_parameter(f"Unknown parameter: {', '.join(unknown)[:200]}")
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)
        repeated = sorted(n for n, values in self._values.items() if len(values) > 1 and n not in arrays)
        if repeated:
            raise bad_parameter(f"Given more than once: {', '.join(repeated)}")

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __bool__(self) -> bool:
        return bool(self._values)

    def get(self, name: str) -> str | None:
        """The value, or None when it was not sent."""
        return self._values[name][0] if name in self._values else None

    def all(self, name: str) -> list[str]:
        """Every value of a repeatable name."""
        return self._values.get(name, [])

    def require(self, name: str) -> str:
        """The value; refused when it is missing or empty."""
        value = self.get(name)
        if not value:
            raise bad_parameter(f"Missing required parameter {name} in the post body")
        return value

    def require_any(self) -> None:
        """Refuse an update that updates nothing."""
        if not self:
            raise TwilioError(20161, "The update names no parameter")

    def attributes(self, limit: int) -> str | None:
        """`Attributes`, when sent: a string of JSON of at most `limit` bytes; an empty one is `{}`."""
        value = self.get("Attributes")
        return value if value is None else rules.attributes(value or "{}", limit)

    def name(self, parameter: str, limit: int = rules.NAME_CHARACTERS) -> str | None:
        """A name of at most `limit` characters, when sent."""
        value = self.get(parameter)
        return value if value is None else rules.name(value, parameter, limit)

    def date(self, name: str) -> datetime | None:
        """A moment, when sent."""
        value = self.get(name)
        return value if value is None else rules.date(value, name)

    def sid(self, name: str, prefix: str) -> str | None:
        """A SID of this kind, when sent."""
        value = self.get(name)
        if value is not None and not rules.is_sid(value, prefix):
            raise bad_parameter(f"{name} is no SID of the form {prefix} and 32 hexadecimal digits")
        return value

    def number(self, name: str) -> int | None:
        """An integer from 0, when sent."""
        value = self.get(name)
        if value is None:
            return None
        if not value.isascii() or not value.isdigit() or len(value) > 9:
            raise bad_parameter(f"{name} must be an integer from 0")
        return int(value)

    def flag(self, name: str) -> bool | None:
        """A boolean, when sent."""
        value = self.get(name)
        if value is None:
            return None
        if value.lower() not in ("true", "false"):
            raise bad_parameter(f"{name} must be true or false")
        return value.lower() == "true"

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        """One of the choices, when sent."""
        value = self.get(name)
        if value is not None and value not in choices:
            raise bad_parameter(f"{name} must be one of {', '.join(choices)}")
        return value

    def refuse(self, *names: str) -> None:
        """Refuse known parameters that this sandbox does not act on."""
        for name in names:
            if name in self:
                raise bad_parameter(f"{name} is not simulated by the sandbox")
