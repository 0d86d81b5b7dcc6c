"""The accounts the sandbox plays: the program's own, and a second one, a Flex."""

from dataclasses import dataclass

from orchestrator.sandbox import seeds


@dataclass(frozen=True, slots=True)
class Account:
    """Credentials of an account, and what they sign. `is_flex`: it takes Interactions, and has no webhooks of its own
    but those of its conversations."""

    sid: str
    token: str
    is_flex: bool = False


OURS = Account(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN)
FLEX = Account(seeds.FLEX_ACCOUNT_SID, seeds.FLEX_AUTH_TOKEN, is_flex=True)
