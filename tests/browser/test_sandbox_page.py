"""The sandbox's page in a real browser, on the real sandbox, whose webhooks a stand-in answers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect
from yarl import URL

from orchestrator.sandbox import seeds, server

pytestmark = pytest.mark.asyncio(loop_scope="session")

MARIA = "+15550100001"
PARTS = ("phone", "transcript", "workers", "faults")
HOSTILE = (
    "<img src=x onerror=\"document.title='broken in'\">",
    "<script>document.title='broken in'</script>",
    "\u202egnp.exe \u2066 left to right \u2069",
    "</p></li>{{ 7 * 7 }} &lt;b&gt; &amp;",
)


@dataclass
class Service:
    """The service the sandbox calls: it answers every webhook with these fields, or with another status."""

    status: int = 200
    fields: dict[str, str] = field(default_factory=dict)

    async def answer(self, _request: web.Request) -> web.Response:
        return web.json_response(self.fields, status=self.status)


@dataclass
class Sandbox:
    """The sandbox under test, running, and its control API."""

    running: server.Running
    http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return self.running.url

    async def state(self) -> Any:
        async with self.http.get(f"{self.url}/sandbox/state") as answer:
            return await answer.json()

    async def post(self, path: str, **json: Any) -> Any:
        async with self.http.post(f"{self.url}/sandbox/{path}", json=json) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json() if answer.content_length else None


@pytest.fixture
def service() -> Service:
    return Service()


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox(service: Service) -> AsyncIterator[Sandbox]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.answer)
    async with TestServer(app) as hooks, aiohttp.ClientSession() as http:
        sandbox = Sandbox(await server.start("127.0.0.1", 0, str(hooks.make_url(""))), http)
        yield sandbox
        await sandbox.running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def phone_page(page: Page, sandbox: Sandbox) -> Page:
    """The page, open and live, on Maria's phone."""
    await page.goto(sandbox.url)
    await expect(page.locator("#live-text")).to_have_text("Live")
    return page


async def write(page: Page, text: str) -> None:
    """Type on the phone and press Enter."""
    await page.get_by_label("Message from this phone").fill(text)
    await page.keyboard.press("Enter")


async def test_a_newcomer_is_told_what_to_do_first(phone_page: Page) -> None:
    await expect(phone_page.get_by_role("heading", name="Start here")).to_be_visible()
    await write(phone_page, "Hello")
    await expect(phone_page.get_by_role("heading", name="Start here")).to_be_hidden()


async def test_what_the_phone_sends_appears_in_the_transcript_without_a_reload(phone_page: Page) -> None:
    await write(phone_page, "Is the blue coat back?")
    await expect(phone_page.locator("#entries .body")).to_have_text(["Is the blue coat back?"])
    await expect(phone_page.locator("#entries .strong")).to_have_text([MARIA])
    await expect(phone_page.locator("#chat .bubble.mine .body")).to_have_text(["Is the blue coat back?"])
    await expect(phone_page.get_by_label("Message from this phone")).to_have_value("")


async def test_a_message_sent_elsewhere_appears_on_the_phone(phone_page: Page, sandbox: Sandbox) -> None:
    await sandbox.post("inbound", **{"from": "+15550100777", "body": "From another window"})
    await phone_page.get_by_role("radio", name="+15550100777").check()
    await expect(phone_page.locator("#chat .bubble.mine .body")).to_have_text(["From another window"])


async def test_a_suggestion_is_sent_at_a_tap(phone_page: Page) -> None:
    await phone_page.get_by_role("button", name="AGENT").click()
    await expect(phone_page.locator("#entries .body")).to_have_text(["AGENT"])


async def test_an_added_phone_has_its_own_conversation_and_survives_a_reload(
    phone_page: Page, sandbox: Sandbox
) -> None:
    await phone_page.get_by_role("button", name="Add a phone").click()
    await phone_page.get_by_label("Channel").select_option("whatsapp")
    number = phone_page.get_by_label("Number")
    await number.fill("555 010 0042")
    await phone_page.keyboard.press("Enter")
    assert "country code" in await number.evaluate("field => field.validationMessage")
    await number.fill("+1 (555) 010-0042")
    await phone_page.keyboard.press("Enter")
    # The dialog tells that it was closed a moment after it was.
    await expect(phone_page.get_by_role("radio", name="+15550100042")).to_be_checked()
    await write(phone_page, "Bonjour")
    await expect(phone_page.locator("#entries .strong")).to_have_text(["whatsapp:+15550100042"])
    await sandbox.post("reset")
    await phone_page.reload()
    await expect(phone_page.get_by_role("radio", name="+15550100042")).to_be_checked()


async def test_a_workers_switch_reaches_the_sandbox(phone_page: Page, sandbox: Sandbox) -> None:
    first = (await sandbox.state())["workers"][0]
    switch = phone_page.get_by_role("switch", name=f"{first['identity']} is available")
    await expect(switch).to_be_checked(checked=first["available"])
    await switch.click()
    row = phone_page.locator("#staff .row").first
    await expect(row).to_contain_text("Away" if first["available"] else "Available")
    assert (await sandbox.state())["workers"][0]["available"] is not first["available"]


async def test_a_worker_switched_elsewhere_is_switched_on_the_page(phone_page: Page, sandbox: Sandbox) -> None:
    first = (await sandbox.state())["workers"][0]
    await sandbox.post("workers", identity=first["identity"], available=not first["available"])
    switch = phone_page.get_by_role("switch", name=f"{first['identity']} is available")
    await expect(switch).to_be_checked(checked=not first["available"])


async def test_a_worker_is_added_joins_answers_and_leaves(phone_page: Page) -> None:
    await write(phone_page, "Hello")
    await phone_page.get_by_role("button", name="Add a worker").click()
    await phone_page.get_by_label("Email, which is the identity").fill("new.expert@example.test")
    await phone_page.keyboard.press("Enter")
    await phone_page.get_by_role("button", name="new.expert@example.test joins the conversation").click()
    await phone_page.get_by_label("Answer as new.expert@example.test").fill("Good morning")
    await phone_page.keyboard.press("Enter")
    bubble = phone_page.locator("#chat .bubble.worker")
    await expect(bubble).to_contain_text("new.expert@example.test")
    await expect(bubble.locator(".body")).to_have_text("Good morning")
    await phone_page.get_by_role("button", name="new.expert@example.test leaves the conversation").click()
    await expect(phone_page.get_by_label("Answer as new.expert@example.test")).to_have_count(0)


async def test_after_a_close_the_next_message_opens_a_new_conversation(phone_page: Page) -> None:
    await write(phone_page, "First")
    await phone_page.get_by_role("button", name="Close the conversation").click()
    await expect(phone_page.get_by_text("The next message opens a new one")).to_be_visible()
    await expect(phone_page.locator("#conversation-state")).to_have_text("closed")
    await write(phone_page, "Second")
    await expect(phone_page.locator("#entries .body")).to_have_text(["Second"])
    await expect(phone_page.get_by_text("The next message opens a new one")).to_be_hidden()
    await expect(phone_page.get_by_label("Conversation", exact=True).locator("option")).to_have_count(2)


async def test_a_rejected_message_says_so_and_can_be_retried(phone_page: Page, service: Service) -> None:
    service.status = 403
    await write(phone_page, "Please take this")
    await expect(phone_page.get_by_text("Not sent: the service rejected it")).to_be_visible()
    await phone_page.reload()
    await expect(phone_page.get_by_text("Not sent: the service rejected it")).to_be_visible()
    service.status = 200
    await phone_page.get_by_role("button", name="Retry").click()
    await expect(phone_page.locator("#entries .body")).to_have_text(["Please take this"])
    await expect(phone_page.locator("#outgoing .bubble")).to_have_count(0)


async def test_a_message_of_the_service_shows_the_effect_that_sent_it(phone_page: Page, sandbox: Sandbox) -> None:
    sent = await sandbox.post("inbound", **{"from": MARIA, "body": "Hello"})
    sid = sent["conversation_sid"]
    form = {"Author": "system", "Body": "Welcome", "Attributes": f'{{"effect": "{sid}/1/0"}}'}
    login = aiohttp.encode_basic_auth(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN)
    messages = f"{sandbox.url}/v1/Conversations/{sid}/Messages"
    async with sandbox.http.post(messages, data=form, headers={"Authorization": login}) as answer:
        assert answer.status == 201
    await expect(phone_page.locator("#entries .tag:visible")).to_have_text(["effect 1/0"])
    await expect(phone_page.locator("#chat .bubble.bot .body")).to_have_text(["Welcome"])


async def test_the_transcript_leads_to_the_state_in_the_service(phone_page: Page, sandbox: Sandbox) -> None:
    sent = await sandbox.post("inbound", **{"from": MARIA, "body": "Hello"})
    base = (await sandbox.state())["service_url"].rstrip("/")
    link = phone_page.get_by_role("link", name="State in the service")
    await expect(link).to_have_attribute("href", f"{base}/debug/conversations/{sent['conversation_sid']}")


async def test_a_lost_connection_is_told_and_the_state_fetched_anew(phone_page: Page, sandbox: Sandbox) -> None:
    await write(phone_page, "Hello")
    await expect(phone_page.locator("#entries .body")).to_have_count(1)
    await sandbox.running.stop()
    await expect(phone_page.get_by_text("What you see may be out of date")).to_be_visible()
    await expect(phone_page.locator("#live-text")).to_have_text("Not live")
    sandbox.running = await server.start("127.0.0.1", URL(sandbox.url).port or 0, "http://127.0.0.1:9")
    await expect(phone_page.locator("#live-text")).to_have_text("Live")
    await expect(phone_page.get_by_text("Nothing published yet")).to_be_visible()


async def test_a_draft_survives_a_reload_and_belongs_to_its_phone(phone_page: Page) -> None:
    box = phone_page.get_by_label("Message from this phone")
    await box.fill("Half a thought")
    await phone_page.get_by_role("radio", name="+15550100002").check()
    await expect(box).to_have_value("")
    await phone_page.get_by_role("radio", name=MARIA).check()
    await phone_page.reload()
    await expect(box).to_have_value("Half a thought")


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_is_shown_as_text(phone_page: Page, sandbox: Sandbox, service: Service, text: str) -> None:
    service.fields = {"friendly_name": text}
    sent = await sandbox.post("inbound", **{"from": MARIA, "body": text})
    await expect(phone_page.locator("#entries .body")).to_have_count(1)
    here = f"conversations/{sent['conversation_sid']}"
    await sandbox.post(f"{here}/join", identity="expert@example.test")
    await sandbox.post(f"{here}/messages", author="expert@example.test", body=text)
    await expect(phone_page.locator("#entries .body")).to_have_count(2)
    for place in ("#conversation-name", "#entries .body", "#bubbles .body"):
        for shown in await phone_page.locator(place).all_text_contents():
            assert shown == text, place
    assert await phone_page.locator("main img, main script").count() == 0
    assert await phone_page.title() == "Expert hub sandbox"


async def test_text_that_turns_direction_stays_in_its_own_place(phone_page: Page) -> None:
    await write(phone_page, HOSTILE[2])
    entry = phone_page.locator("#entries .entry")
    assert await entry.locator(".body").evaluate("node => getComputedStyle(node).unicodeBidi") == "plaintext"
    assert await entry.locator(".strong").evaluate("node => node.tagName") == "BDI"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_narrow_screen_shows_one_part_at_a_time_without_overflow(
    phone_page: Page, sandbox: Sandbox, scheme: Any
) -> None:
    await write(phone_page, "word" * 60)
    await expect(phone_page.locator("#entries .body")).to_have_count(1)
    await sandbox.post("workers", identity=f"{'long.' * 9}name@example.test", available=True)
    await phone_page.emulate_media(color_scheme=scheme)
    await phone_page.set_viewport_size({"width": 390, "height": 844})
    for part in PARTS:
        await phone_page.get_by_role("navigation").get_by_role("button", name=part).click()
        shown = [other for other in PARTS if await phone_page.locator(f"#{other}").is_visible()]
        assert shown == [part]
        assert await phone_page.evaluate("document.documentElement.scrollWidth") <= 390
        assert await phone_page.evaluate(SMALL_TARGETS) == []


@pytest.mark.parametrize(("width", "height"), [(390, 420), (844, 390)], ids=["keyboard open", "lying"])
async def test_on_a_low_screen_one_scrolls_to_what_is_written(phone_page: Page, width: int, height: int) -> None:
    await phone_page.set_viewport_size({"width": width, "height": height})
    field = phone_page.get_by_label("Message from this phone")
    # Above the list of phones, which scrolls by itself.
    await phone_page.mouse.move(width / 2, 80)
    await phone_page.mouse.wheel(0, 1000)
    await expect(field).to_be_in_viewport(ratio=1, timeout=5_000)
    await write(phone_page, "Hello")
    await expect(phone_page.locator("#entries .body")).to_have_count(1)


SMALL_TARGETS = """() => [...document.querySelectorAll("button, a, select, textarea, summary, label, .field")]
    .filter(node => node.checkVisibility())
    .filter(node => node.getBoundingClientRect().height < 40)
    .map(node => node.outerHTML)"""


async def test_the_keyboard_alone_is_enough(phone_page: Page) -> None:
    await phone_page.get_by_role("radio", name=MARIA).focus()
    await phone_page.keyboard.press("ArrowDown")
    await expect(phone_page.locator("#device-name")).to_have_text("+15550100002")
    await phone_page.get_by_label("Message from this phone").focus()
    await phone_page.keyboard.type("One")
    await phone_page.keyboard.press("Shift+Enter")
    await phone_page.keyboard.type("Two")
    await phone_page.keyboard.press("Tab")
    assert await phone_page.evaluate("document.activeElement.getAttribute('aria-label')") == "Send"
    await phone_page.keyboard.press("Enter")
    await expect(phone_page.locator("#entries .body")).to_have_text(["One\nTwo"])


async def test_a_fault_is_set_by_its_slider_and_cleared_by_its_button(phone_page: Page, sandbox: Sandbox) -> None:
    await phone_page.locator("#faults summary").click()
    await phone_page.get_by_label("Refused with 429").fill("0.3")
    await phone_page.get_by_label("Late by at least").fill("200")
    await phone_page.keyboard.press("Enter")
    await expect(phone_page.locator("#faults-count")).to_have_text("2 on")
    faults = (await sandbox.state())["faults"]
    assert faults["errors"] == {"429": 0.3}
    assert list(faults["webhook_delay_ms"]) == [200, 200]
    await phone_page.get_by_role("button", name="Clear all faults").click()
    await expect(phone_page.locator("#faults-count")).to_have_text("none")
    await expect(phone_page.get_by_label("Refused with 429")).to_have_value("0")


async def test_a_reset_asks_first(phone_page: Page, sandbox: Sandbox) -> None:
    await write(phone_page, "Hello")
    await expect(phone_page.locator("#entries .body")).to_have_count(1)
    await phone_page.get_by_role("button", name="Reset").click()
    await phone_page.get_by_role("button", name="Cancel").click()
    assert len((await sandbox.state())["conversations"]) == 1
    await phone_page.get_by_role("button", name="Reset").click()
    await phone_page.get_by_role("dialog").get_by_role("button", name="Reset").click()
    await expect(phone_page.get_by_text("Nothing published yet")).to_be_visible()
    assert (await sandbox.state())["conversations"] == []


async def test_the_page_and_its_files_carry_a_strict_policy(sandbox: Sandbox) -> None:
    for path in ("/", "/static/page.js", "/static/page.css", "/static/icon.svg"):
        async with sandbox.http.get(sandbox.url + path) as answer:
            assert answer.status == 200
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            assert answer.headers["Cache-Control"] == "no-cache"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["page.py", "..%2Fpage.py", "..%2Ftemplates%2Fpage.html", "%00", "."])
async def test_nothing_outside_the_static_folder_is_served(sandbox: Sandbox, name: str) -> None:
    async with sandbox.http.get(URL(f"{sandbox.url}/static/{name}", encoded=True)) as answer:
        assert answer.status == 404
