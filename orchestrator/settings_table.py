"""The table of the settings, as the README and `.env.example` have it."""

from typing import NamedTuple

from pydantic.fields import FieldInfo

from orchestrator.settings import Settings
from orchestrator.variables.names import OTHER_NAMES


class Variable(NamedTuple):
    """A row of the settings table. `also`: the names of the original application, accepted too."""

    name: str
    default: str
    meaning: str
    also: tuple[str, ...]


def settings_table() -> list[Variable]:
    """Every variable in the order of the table, its default as the table writes it."""
    fields = Settings.model_fields.items()
    frontline = tuple(name.upper() for name, info in fields if info.exclude)
    rows = []
    for name, info in fields:
        if not info.exclude:
            also = frontline if name == "proxy_numbers" else OTHER_NAMES.get(name, ())
            rows.append(Variable(name.upper(), _shown_default(info), info.description or "", also))
    return rows


def _shown_default(info: FieldInfo) -> str:
    default = info.default
    if isinstance(default, int | float):
        return f"{default:g}"
    if isinstance(default, tuple):
        return ",".join(default) or "none"
    return default if isinstance(default, str) and default else "none"
