"""The list on a worker's phone: it follows what is committed, and says so when it cannot."""

import asyncio
import time

import pytest
from playwright.async_api import Browser, Route, expect

from storage.unit import Unit
from tests.browser.phones import ADA, DESK, GRACE, MARIA, ROBERT, at, with_worker
from tests.e2e.conftest import House

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_new_conversation_comes_by_itself_and_rings(browser: Browser, house: House) -> None:
    async with at(browser, house, GRACE) as page:
        await page.goto(f"{house.url}/app")
        await expect(page.get_by_text("No conversations")).to_be_visible()
        await with_worker(house)
        row = page.locator("#rows > li")
        await expect(row).to_have_count(1)
        await expect(row).to_contain_text("Maria Sanchez")
        await expect(row.locator(".count")).to_contain_text("1")
        await expect(page).to_have_title("(1) Conversations · expert-hub")
        assert int(await page.evaluate("document.documentElement.dataset.rang")) >= 1


async def test_a_missed_call_rings_and_stands_in_the_last_line(browser: Browser, house: House) -> None:
    sid = await with_worker(house)
    async with at(browser, house, GRACE) as page:
        await page.goto(f"{house.url}/app/c/{sid}")
        await page.goto(f"{house.url}/app")
        row = page.locator("#rows > li")
        await expect(row.locator(".count")).to_have_count(0)
        await house.post("/sandbox/call", {"from": MARIA, "digits": ["2"]})
        await expect(row.locator(".last")).to_have_text("Missed call")
        await expect(row.locator(".second .icon")).to_have_count(1)
        await expect(row.locator(".count")).to_contain_text("1")
        assert await page.evaluate("document.documentElement.dataset.rang") == "1"
        await row.get_by_role("link").click()
        await expect(page.locator("#thread .call")).to_contain_text("Missed call")
        await page.goto(f"{house.url}/app")
        await expect(row.locator(".count")).to_have_count(0)


async def test_the_order_and_the_counts_follow_what_customers_write(browser: Browser, house: House) -> None:
    await with_worker(house, MARIA)
    await with_worker(house, ROBERT)
    async with at(browser, house, GRACE) as page:
        await page.goto(f"{house.url}/app")
        names = page.locator("#rows .name")
        await expect(names).to_have_text(["Robert Ellis", "Maria Sanchez"])
        await house.say(MARIA, "One more thing")
        await expect(names).to_have_text(["Maria Sanchez", "Robert Ellis"])
        await expect(page.locator("#rows > li").first).to_contain_text("One more thing")
        await page.get_by_text("Maria Sanchez").click()
        await page.go_back()
        await expect(page.locator("#rows > li").first.locator(".count")).to_have_count(0)


async def test_a_conversation_that_is_handed_on_leaves_one_list_and_comes_into_another(
    browser: Browser, house: House
) -> None:
    sid = await with_worker(house)
    async with at(browser, house, GRACE) as graces, at(browser, house, ADA, DESK) as adas:
        await graces.goto(f"{house.url}/app/c/{sid}")
        await adas.goto(f"{house.url}/app")
        await graces.get_by_role("link", name="Hand over").click()
        await graces.get_by_role("radio", name="Ada ada@example.test Available").check()
        await graces.get_by_label("Note for who comes next").fill("She is in a hurry.")
        await graces.get_by_role("button", name="Hand over").click()
        await expect(graces.get_by_text("Handed over.")).to_be_visible()
        await expect(graces.get_by_text("No conversations")).to_be_visible()
        await adas.get_by_text("Maria Sanchez").click()
        await expect(adas.get_by_text("She is in a hurry.")).to_be_visible()
        await adas.get_by_role("link", name="Close", exact=True).click()
        await adas.get_by_role("button", name="Close it").click()
        await expect(adas.get_by_text("The conversation is closed.")).to_be_visible()
        await house.state(sid, "closed")


async def test_what_is_lost_is_said_and_nothing_is_missed(browser: Browser, house: House) -> None:
    async with at(browser, house, GRACE) as page:
        await page.goto(f"{house.url}/app")
        await expect(page.get_by_text("No conversations")).to_be_visible()
        await house.stop()
        await expect(page.locator("#connection")).to_contain_text("Connection lost")
        await house.start()
        await with_worker(house)
        await expect(page.get_by_text("Maria Sanchez")).to_be_visible()
        await expect(page.locator("#connection")).to_be_hidden()


async def test_a_late_answer_does_not_hide_that_the_connection_is_lost(browser: Browser, house: House) -> None:
    asked, goes_on = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        if asked.is_set():
            await route.abort()
            return
        answer = await route.fetch()
        asked.set()
        await goes_on.wait()
        await route.fulfill(response=answer)

    async with at(browser, house, GRACE) as page:
        await page.goto(f"{house.url}/app")
        await expect(page.get_by_text("No conversations")).to_be_visible()
        await page.evaluate(
            "document.addEventListener('live:updated', () => { document.documentElement.dataset.updated = 'late'; })"
        )
        await page.route(f"{house.url}/app", late)
        await with_worker(house)
        await asked.wait()
        await house.stop()
        await expect(page.locator("#connection")).to_contain_text("Connection lost")
        await page.evaluate("delete document.documentElement.dataset.updated")
        goes_on.set()
        await expect(page.locator("html")).to_have_attribute("data-updated", "late")
        await expect(page.locator("#connection")).to_contain_text("Connection lost")


async def test_the_switch_says_what_is_true(browser: Browser, house: House) -> None:
    async with at(browser, house, GRACE) as page:
        await page.goto(f"{house.url}/app")
        switch = page.get_by_role("switch", name="Available for new customers")
        await expect(switch).to_be_checked()
        await switch.click()
        await expect(switch).not_to_be_checked()
        await expect(page.get_by_text("You are away.")).to_be_visible()
        assert await house.service.acts.is_available(GRACE) is False
        await page.reload()
        await expect(switch).not_to_be_checked()


async def test_the_switch_follows_in_every_page_whoever_turned_it(browser: Browser, house: House) -> None:
    async with at(browser, house, GRACE) as page:
        other = await page.context.new_page()
        for one, path in ((page, "/app"), (other, "/app/customers")):
            await one.goto(house.url + path)
            await expect(one.get_by_role("switch")).to_be_checked()
        await page.get_by_role("switch").click()
        await expect(other.get_by_role("switch")).not_to_be_checked()
        await expect(other.get_by_role("switch")).to_have_text("Away")
        await expect(other.locator(".toast")).to_have_count(1)
        await expect(page.locator(".toast")).to_have_count(1)
        await house.worker(GRACE, True)
        for one in (page, other):
            await expect(one.get_by_role("switch")).to_be_checked()
        await house.stop()
        await house.worker(GRACE, False)
        await house.start()
        for one in (page, other):
            await expect(one.get_by_role("switch")).not_to_be_checked()
        await other.get_by_role("switch").click()
        await expect(page.get_by_role("switch")).to_be_checked()


async def test_customers_are_searched_and_written_to(browser: Browser, house: House) -> None:
    async with at(browser, house, GRACE) as page:
        await page.goto(f"{house.url}/app/customers")
        await page.get_by_label("Search customers").fill("ellis")
        await page.keyboard.press("Enter")
        await expect(page.locator(".row")).to_have_count(1)
        await page.get_by_text("Robert Ellis").click()
        await page.get_by_role("button", name=f"Write to {ROBERT}").click()
        await page.wait_for_url("**/app/c/*")
        await page.wait_for_load_state()
        await page.get_by_label("Message to Robert Ellis").fill("Your coat is ready.")
        await page.keyboard.press("Enter")
        await expect(page.locator("#thread .own .bubble")).to_have_text("Your coat is ready.")


async def test_five_thousand_conversations_do_not_slow_the_list(browser: Browser, house: House) -> None:
    sid = await with_worker(house)

    def plant(unit: Unit) -> None:
        for name in ("conversation", "history", "conversation_worker"):
            column = "sid" if name == "conversation" else "conversation_sid"
            query = f"SELECT * FROM {name} WHERE {column} = ?"
            rows = [dict(row) for row in unit.connection.exec_driver_sql(query, (sid,)).mappings()]
            for row in rows:
                row.pop("id", None)
            words = ", ".join(rows[0]), ", ".join("?" * len(rows[0]))
            copies = [
                tuple(value.replace(sid, f"CH{number:032x}") if isinstance(value, str) else value for value in values)
                for number in range(5000)
                for values in (tuple(row.values()) for row in rows)
            ]
            unit.connection.exec_driver_sql(f"INSERT INTO {name} ({words[0]}) VALUES ({words[1]})", copies)

    await house.service.writer.run(plant)
    async with at(browser, house, GRACE) as page:
        began = time.perf_counter()
        await page.goto(f"{house.url}/app")
        await expect(page.locator("#rows > li")).to_have_count(50)
        # A fifth of a second on a quiet machine.
        assert time.perf_counter() - began < 5
        await house.say(MARIA, "I am here, too")
        await expect(page.locator("#rows > li").first).to_contain_text("I am here, too", timeout=3000)
        await page.get_by_role("link", name="Older conversations").click()
        await expect(page.locator("#rows > li")).to_have_count(50)


async def test_it_rings_wherever_in_the_app_one_is_unless_muted(browser: Browser, house: House) -> None:
    async with at(browser, house, GRACE) as page:
        await page.goto(f"{house.url}/app/customers")
        await with_worker(house)
        await expect(page).to_have_title("(1) Customers · expert-hub")
        assert int(await page.evaluate("document.documentElement.dataset.rang")) == 1
        await page.get_by_label("Grace: account").click()
        sound = page.get_by_role("button", name="Sound on")
        await sound.click()
        await expect(page.get_by_role("button", name="Sound off")).to_be_visible()
        assert await page.evaluate("localStorage.getItem('muted')") == "yes"
