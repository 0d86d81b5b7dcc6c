"""Whether a TaskRouter worker can be reached: his friendly name is the identity he is added to conversations by.

A client that signs in under another identity never sees them. Flex writes a worker's identity into the attribute
`contact_uri`, as `client:` and the identity with what is neither letter nor digit as `_` and two hexadecimal digits;
others into `identity`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

_CLIENT = "client:"
_ESCAPED = re.compile(r"_([0-9A-Fa-f]{2})")


def fault_of(friendly_name: str, attributes: Mapping[str, object]) -> str | None:
    """What is wrong with one worker, in a few words; None if nothing is."""
    if "@" not in friendly_name.strip("@"):
        return "his friendly name is no email address, so no customer can name him"
    for name in ("contact_uri", "identity"):
        claimed = attributes.get(name)
        if isinstance(claimed, str) and claimed and friendly_name not in _readings(claimed):
            return f"his attribute {name} names another identity than his friendly name"
    return None


def duplicates(friendly_names: Iterable[str]) -> list[str]:
    """Names that are more than one worker's, in any letter case."""
    counted = Counter(name.casefold() for name in friendly_names)
    return sorted(name for name, times in counted.items() if times > 1)


def _readings(claimed: str) -> tuple[str, str]:
    plain = claimed.removeprefix(_CLIENT)
    return plain, _ESCAPED.sub(lambda found: chr(int(found[1], 16)), plain)
