"""How a writer of the table says which effects it may append."""

from collections.abc import Callable
from typing import Any, TypeVar

from states.names import snake_case

Writer = TypeVar("Writer", bound=Callable[[Any], None])


def writes(*effects: type) -> Callable[[Writer], Writer]:
    """Say which effects a writer may append, for the diagram and for whoever reads it."""

    def mark(writer: Writer) -> Writer:
        writer.kinds = [snake_case(effect.__name__) for effect in effects]  # type: ignore[attr-defined]
        return writer

    return mark
