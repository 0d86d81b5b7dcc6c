"""What is stored as JSON: frozen values, and those among them that say of what kind they are.

They are msgspec's structs and no dataclasses: made, compared, written and read in compiled code
(docs/decisions/0011-values-are-structs.md).
"""

import msgspec

from states.names import snake_case


# Plain data without circles, which the garbage collector need not look at.
class Value(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """A part of something stored. A field at its default is left out of its JSON."""


class Kind(Value, frozen=True, tag_field="kind", tag=snake_case):
    """An event, fact, effect or call: its JSON begins with the class's name in snake case, as its `kind`."""
