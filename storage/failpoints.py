"""Named places where chaos makes the process die, raise or dawdle; nothing happens at them unless a hook is set."""

from collections.abc import Callable

Hook = Callable[[str, str | None], None]
_hook: Hook | None = None


def set_hook(hook: Hook | None) -> None:
    """Have `hook` called with the name of each place that is reached, and the kind of effect it is about."""
    global _hook
    _hook = hook


def reached(name: str, kind: str | None = None) -> None:
    """The program has come to the place `name`. `kind`: of the effect in hand, where there is one."""
    if _hook is not None:
        _hook(name, kind)
