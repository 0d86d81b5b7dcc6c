"""The sandbox's supervisor takes a conversation over, answers it in the worker's app and closes it, in a browser."""

import pytest
from playwright.async_api import Browser, expect

from tests.browser.phones import DESK, GRACE, MARIA, at, twin, with_worker
from tests.e2e.conftest import House

pytestmark = pytest.mark.asyncio(loop_scope="session")
BOSS = "supervisor@example.test"


async def test_the_supervisor_takes_over_answers_and_closes(browser: Browser, house: House) -> None:
    sid = await with_worker(house)
    async with at(browser, house, GRACE, DESK) as grace, at(browser, house, BOSS, DESK) as desk:
        await grace.goto(f"{house.url}/app")
        await desk.goto(f"{house.url}/console/c/{sid}")
        await expect(desk.get_by_role("link", name="Answer the customer")).to_have_count(0)
        await desk.get_by_label("Why", exact=True).fill("She asked for my boss")
        await desk.get_by_role("button", name="Take over").click()
        await expect(desk.get_by_text("You were asked to join.")).to_be_visible()
        await expect(desk.locator("#head .badges")).to_contain_text(BOSS)
        await expect(grace.get_by_text("No conversations")).to_be_visible()

        await desk.get_by_role("link", name="Answer the customer").click()
        await desk.get_by_label("Message to Maria Sanchez").fill("How can I help?")
        await desk.get_by_role("button", name="Send").click()
        await expect(desk.locator("#thread .own .status")).to_have_text("Delivered")
        await house.say(MARIA, "All is well")
        await expect(desk.locator("#thread .bubble").last).to_have_text("All is well")

        await desk.get_by_role("link", name="Close", exact=True).click()
        await desk.get_by_role("button", name="Close it").click()
        await expect(desk.get_by_text("The conversation is closed.")).to_be_visible()
        await house.state(sid, "closed")
        await desk.goto(f"{house.url}/console/audit?conversation={sid}")
        await expect(desk.get_by_role("main")).to_contain_text("She asked for my boss")
        acts = (await twin(desk, f"/console/audit.json?conversation={sid}"))["audit"]
        assert [(act["who"], act["act"]) for act in acts] == [
            (BOSS, "close"),
            (BOSS, "write"),
            (BOSS, "hand_to_worker"),
        ]
