"""Whom a customer goes back to, over plain data: the order, who is passed over and why, the key it is kept under."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from states.conversation import Conversation, Present, Profile
from states.names import ConversationSid, ParticipantSid
from states.returning import (
    DAY_MS,
    Candidate,
    Spoken,
    Standing,
    Weighed,
    candidates,
    company,
    key_of,
    keys_of,
    owner_of,
    weigh,
)

NOW = 1_795_600_000_000
LIMIT = 90 * DAY_MS
ADA, GRACE, ALAN, JOAN = (f"{name}@example.test" for name in ("ada", "grace", "alan", "joan"))
POOL = "pool: whoever has been idle longest"
NO_OWNER, NO_LAST = "owner: nobody", "last: nobody"

# owner, last and how many days ago, cover, who is available -> chosen, considered
CASES: list[tuple[str | None, tuple[str, int] | None, dict[str, str], set[str], str | None, list[str]]] = [
    (ADA, (GRACE, 1), {}, {ADA, GRACE}, ADA, [f"owner: {ADA} chosen"]),
    (ADA, (GRACE, 1), {}, {GRACE}, GRACE, [f"owner: {ADA} offline", f"last: {GRACE} chosen"]),
    (None, (GRACE, 1), {}, {ADA, GRACE}, GRACE, [NO_OWNER, f"last: {GRACE} chosen"]),
    ("Ada@Example.test", None, {}, {ADA}, "Ada@Example.test", ["owner: Ada@Example.test chosen"]),
    (
        ADA,
        (GRACE, 1),
        {ADA: ALAN, GRACE: JOAN},
        {ALAN, JOAN},
        ALAN,
        [f"owner: {ADA} offline", f"last: {GRACE} offline", f"cover of {ADA}: {ALAN} chosen"],
    ),
    (
        ADA,
        (GRACE, 1),
        {ADA: ALAN, GRACE: JOAN},
        {JOAN},
        JOAN,
        [
            f"owner: {ADA} offline",
            f"last: {GRACE} offline",
            f"cover of {ADA}: {ALAN} offline",
            f"cover of {GRACE}: {JOAN} chosen",
        ],
    ),
    # The last worker comes before the owner's cover.
    (ADA, (GRACE, 1), {ADA: ALAN}, {ALAN, GRACE}, GRACE, [f"owner: {ADA} offline", f"last: {GRACE} chosen"]),
    # Nobody is weighed twice.
    (
        ADA,
        ("ada@example.test", 1),
        {ADA: GRACE},
        set(),
        None,
        [
            f"owner: {ADA} offline",
            f"last: {ADA} considered already",
            f"cover of {ADA}: {GRACE} offline",
            POOL,
        ],
    ),
    (
        None,
        (ADA, 1),
        {ADA: GRACE},
        {GRACE},
        GRACE,
        [NO_OWNER, f"last: {ADA} offline", f"cover of {ADA}: {GRACE} chosen"],
    ),
    # Whoever covers is not covered for.
    (
        None,
        (ADA, 1),
        {ADA: GRACE, GRACE: ALAN},
        {ALAN},
        None,
        [NO_OWNER, f"last: {ADA} offline", f"cover of {ADA}: {GRACE} offline", POOL],
    ),
    # Too long ago is nobody, and nobody covers for him.
    (None, (ADA, 90), {}, {ADA}, ADA, [NO_OWNER, f"last: {ADA} chosen"]),
    (None, (ADA, 120), {ADA: GRACE}, {ADA, GRACE}, None, [NO_OWNER, f"last: {ADA} 120 days ago", POOL]),
    # The owner is theirs whenever they talked.
    (ADA, (ADA, 120), {}, {ADA}, ADA, [f"owner: {ADA} chosen"]),
    (None, None, {ADA: GRACE}, {ADA, GRACE}, None, [NO_OWNER, NO_LAST, POOL]),
]


@pytest.mark.parametrize(("owner", "last", "cover", "free", "chosen", "considered"), CASES)
def test_who_is_chosen_and_what_became_of_the_others(
    owner: str | None,
    last: tuple[str, int] | None,
    cover: dict[str, str],
    free: set[str],
    chosen: str | None,
    considered: list[str],
) -> None:
    spoken = None if last is None else Spoken(last[0], NOW - last[1] * DAY_MS)
    found = candidates(owner_of(owner), spoken, cover, NOW, LIMIT)
    standing: dict[str, Standing] = {who: "available" if who in free else "offline" for who in (ADA, GRACE, ALAN, JOAN)}
    weighed = weigh(found, standing)
    assert (weighed.chosen.identity if weighed.chosen else None) == chosen
    assert list(weighed.considered) == considered


def test_who_is_not_there_is_the_first_whom_the_customer_knows() -> None:
    found = candidates(owner_of(ADA), Spoken(GRACE, NOW), {}, NOW, LIMIT)
    assert weigh(found, {ADA: "offline", GRACE: "offline"}).away == ADA
    assert weigh(found, {ADA: "gone", GRACE: "offline"}).away == GRACE
    assert weigh(found, {ADA: "gone", GRACE: "gone"}).away is None


def test_who_left_the_company_is_passed_over_and_covered_for() -> None:
    found = candidates(owner_of(None), Spoken(ADA, NOW), {ADA: GRACE}, NOW, LIMIT)
    cover = Candidate(f"cover of {ADA}", GRACE)
    told = (NO_OWNER, f"last: {ADA} no longer works here", f"cover of {ADA}: {GRACE} chosen")
    assert weigh(found, {ADA: "gone", GRACE: "available"}) == Weighed(cover, None, told)


def test_a_silent_neighbour_costs_its_candidates() -> None:
    found = candidates(owner_of(None, crm_answers=False), Spoken(ADA, NOW), {}, NOW, LIMIT)
    told = ("owner: the CRM does not answer", f"last: {ADA} TaskRouter does not answer", POOL)
    assert weigh(found, {}) == Weighed(None, None, told)


IDENTITIES = st.sampled_from([ADA, GRACE, ALAN, JOAN, ADA.title()])


@given(
    owner=st.none() | IDENTITIES,
    last=st.none() | st.builds(Spoken, IDENTITIES, st.integers(NOW - 2 * LIMIT, NOW)),
    cover=st.dictionaries(IDENTITIES.map(str.casefold), IDENTITIES),
    free=st.sets(IDENTITIES.map(str.casefold)),
)
def test_nobody_who_is_away_is_chosen_and_whoever_is_there_is_found(
    owner: str | None, last: Spoken | None, cover: dict[str, str], free: set[str]
) -> None:
    found = candidates(owner_of(owner), last, cover, NOW, LIMIT)
    eligible = [it.identity.casefold() for it in found if it.identity is not None and it.hindrance is None]
    assert len(set(eligible)) == len(eligible)
    weighed = weigh(found, {who: "available" if who in free else "offline" for who in eligible})
    first = next((who for who in eligible if who in free), None)
    assert (None if weighed.chosen is None else str(weighed.chosen.identity).casefold()) == first
    assert len(weighed.considered) == (len(found) + 1 if first is None else found.index(weighed.chosen) + 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "customer_id", "key"),
    [
        ("+15550100001", None, "address/+15550100001"),
        ("whatsapp:+15550100001", None, "address/+15550100001"),
        ("rcs:+15550100001", None, "address/+15550100001"),
        ("messenger:15550100001", None, "address/messenger:15550100001"),
        ("maria", None, "address/maria"),
        ("whatsapp:+15550100001", "7", "customer/7"),
        (None, "7", "customer/7"),
        (None, None, None),
    ],
)
def test_the_key_is_the_customer_or_his_address_without_its_channel(
    address: str | None, customer_id: str | None, key: str | None
) -> None:
    assert key_of(address, customer_id) == key


def test_what_was_kept_before_the_crm_knew_him_is_looked_for_too() -> None:
    assert keys_of("whatsapp:+15550100001", "7") == ["customer/7", "address/+15550100001"]
    assert keys_of("+15550100001", None) == ["address/+15550100001"]
    assert keys_of(None, None) == []


ADA_HERE, GRACE_HERE = Present(ADA, ParticipantSid("MB1")), Present(GRACE, ParticipantSid("MB2"))
ALONE = Conversation(ConversationSid("CH1"), NOW, NOW, state="awaiting_choice", address="+15550100001")
WITH_ADA = replace(ALONE, state="with_worker", workers=(ADA_HERE,))
WITH_BOTH = replace(WITH_ADA, workers=(ADA_HERE, GRACE_HERE))
WITH_GRACE = replace(WITH_ADA, workers=(GRACE_HERE,))


@pytest.mark.parametrize(
    ("before", "after", "who"),
    [
        (ALONE, WITH_ADA, ADA),
        (WITH_ADA, WITH_BOTH, GRACE),
        (WITH_BOTH, WITH_ADA, ADA),
        (WITH_ADA, WITH_GRACE, GRACE),
        (WITH_ADA, ALONE, ADA),
        (WITH_ADA, replace(WITH_ADA, state="closed"), ADA),
        (WITH_ADA, replace(WITH_ADA, customer=Profile("7", "Maria Sanchez")), ADA),
        (WITH_ADA, replace(WITH_ADA, asked=2), None),
        (ALONE, replace(ALONE, customer=Profile("7", "Maria Sanchez")), None),
        (ALONE, replace(ALONE, state="closed"), None),
    ],
)
def test_who_was_with_the_customer_is_news_when_somebody_comes_or_leaves(
    before: Conversation, after: Conversation, who: str | None
) -> None:
    assert company(before, after) == who
