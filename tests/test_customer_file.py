"""Customer files: good rows are kept, each bad one is named with its place and its reason."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator import customer_file
from orchestrator.customer_file import SEED_FILE, Reading, read_customers
from orchestrator.customer_row import Fault
from states.customers import Channel, Consent, Customer, Link

GOOD = {"customer_id": "1", "display_name": "Maria Sanchez"}


def reading(path: Path, content: object) -> Reading:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read_customers(path)


@pytest.fixture
def json_file(tmp_path: Path) -> Path:
    return tmp_path / "customers.json"


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    return tmp_path / "customers.csv"


def test_the_seeds_are_the_three_customers_and_without_fault() -> None:
    seeds = read_customers(SEED_FILE)
    assert seeds.faults == ()
    assert [customer.customer_id for customer in seeds.customers] == ["1", "2", "3"]
    assert seeds.customers[0].display_name == "Maria Sanchez"
    assert seeds.customers[0].channels == (Channel("sms", "+15550100001"),)
    assert seeds.customers[1].channels[0] == Channel("sms", "+15550100002")
    assert seeds.customers[2].channels == (Channel("whatsapp", "whatsapp:+15550100003"),)


def test_json_with_every_field(json_file: Path) -> None:
    row = {
        "customer_id": 17,
        "display_name": " Zoë Example ",
        "channels": [
            {"type": "sms", "value": "+1 (555) 010-0001"},
            {"type": "whatsapp", "value": "+15550100001"},
            {"type": "chat", "value": "zoe"},
            {"type": "email", "value": "zoe@example.test"},
            {"type": "chat", "value": "zoe"},
        ],
        "avatar": "https://example.test/17.png",
        "links": [{"type": "Mail", "value": "mailto:zoe@example.test", "display_name": "Write"}],
        "details": {"title": "Information", "content": "Two\nlines"},
        "worker": "expert@example.test",
    }
    customer = Customer(
        "17",
        "Zoë Example",
        (
            Channel("sms", "+1 (555) 010-0001"),
            Channel("whatsapp", "+15550100001"),
            Channel("chat", "zoe"),
            Channel("email", "zoe@example.test"),
        ),
        "https://example.test/17.png",
        (Link("Mail", "mailto:zoe@example.test", "Write"),),
        {"title": "Information", "content": "Two\nlines"},
        "expert@example.test",
    )
    assert reading(json_file, [row]) == Reading((customer,), ())


def test_empty_optional_fields_are_absent_ones(json_file: Path) -> None:
    row = {**GOOD, "channels": [], "avatar": "", "worker": None, "links": None, "details": None}
    assert reading(json_file, [row]) == Reading((Customer("1", "Maria Sanchez"),), ())


CSV = """customer_id,display_name,sms,whatsapp,chat,email,avatar,worker
1,"Sanchez, Maria",+15550100001,,,maria@example.test,https://example.test/1.png,

2,"Jo
Example",,whatsapp:+15550100002,jo,,,expert@example.test
3,Short
4,Bad Number,5550100004
"""


def test_csv_with_one_column_per_channel_type(csv_file: Path) -> None:
    found = reading(csv_file, CSV.replace("Jo\nExample", "Jo Example").encode())
    assert found.customers == (
        Customer(
            "1",
            "Sanchez, Maria",
            (Channel("sms", "+15550100001"), Channel("email", "maria@example.test")),
            "https://example.test/1.png",
        ),
        Customer(
            "2",
            "Jo Example",
            (Channel("whatsapp", "whatsapp:+15550100002"), Channel("chat", "jo")),
            worker="expert@example.test",
        ),
        Customer("3", "Short"),
    )
    assert [fault.line for fault in found.faults] == [6]


def test_a_fault_names_the_line_its_row_begins_on(csv_file: Path) -> None:
    faults = reading(csv_file, CSV.encode()).faults
    assert [fault.line for fault in faults] == [4, 7]
    assert "display_name" in faults[0].reason
    assert "5550100004" in faults[1].reason


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-8"),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode("utf-8"),
        lambda text: text.replace("\n", "\r").encode("utf-8"),
    ],
)
def test_byte_order_marks_and_line_ends_do_not_matter(csv_file: Path, encode: Any) -> None:
    found = reading(csv_file, encode("Customer_ID, display_name \n1,Zoë\n"))
    assert found == Reading((Customer("1", "Zoë"),), ())


def test_links_and_details_may_stand_in_a_csv_as_json(csv_file: Path) -> None:
    details = b'"{""title"": ""T"", ""content"": ""C""}"'
    found = reading(csv_file, b"customer_id,display_name,details\n1,A," + details + b"\n2,B,{\n")
    assert found.customers == (Customer("1", "A", details={"title": "T", "content": "C"}),)
    assert found.faults == (Fault(3, "details: not JSON"),)


def test_language_and_consent_stand_in_both_files(csv_file: Path, json_file: Path) -> None:
    said = (Consent("sms", "yes", "2026-01-31", "web form"), Consent("whatsapp", "no"))
    wanted = Customer("1", "Maria Sanchez", language="fr-CA", consent=said)
    cell = b"whatsapp: NO; sms: yes 2026-01-31 web form; email: unknown asked twice"
    found = reading(
        csv_file, b"customer_id,display_name,language,consent\n1,Maria Sanchez,FR_ca," + cell + b"\n2,A,,\n"
    )
    assert found == Reading((wanted, Customer("2", "A")), ())
    row = {**GOOD, "language": "fr-ca", "consent": [asdict(one) for one in reversed(said)]}
    assert reading(json_file, [row]) == Reading((wanted,), ())


def test_an_unknown_column_is_a_fault_and_its_rows_are_kept(csv_file: Path) -> None:
    found = reading(csv_file, b"customer_id,display_name,shoe\n1,A,42\n")
    assert found.customers == (Customer("1", "A"),)
    assert [fault.line for fault in found.faults] == [1]
    assert "shoe" in found.faults[0].reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"customer_id": None}, "customer_id: missing"),
        ({"customer_id": " "}, "customer_id"),
        ({"customer_id": True}, "customer_id"),
        ({"customer_id": 1.5}, "customer_id"),
        ({"customer_id": "x" * 129}, "customer_id"),
        ({"customer_id": "a\x00b"}, "customer_id"),
        ({"display_name": ""}, "display_name: missing"),
        ({"display_name": "\ud800"}, "display_name"),
        ({"display_name": "x" * 257}, "display_name"),
        ({"channels": "+15550100001"}, "channels"),
        ({"channels": ["+15550100001"]}, "channels"),
        ({"channels": [{"type": "fax", "value": "+15550100001"}]}, "fax"),
        ({"channels": [{"type": [], "value": "+15550100001"}]}, "channels: type"),
        ({"channels": [{"type": "sms"}]}, "sms: missing"),
        ({"channels": [{"type": "sms", "value": "12"}]}, "no phone number"),
        ({"channels": [{"type": "sms", "value": "whatsapp:+15550100001"}]}, "another channel"),
        ({"channels": [{"type": "whatsapp", "value": "whatsapp:jo"}]}, "no phone number"),
        ({"channels": [{"type": "email", "value": "jo@"}]}, "email"),
        ({"channels": [{"type": "email", "value": "Jo <jo@example.test>"}]}, "email"),
        ({"language": "Englisch, bitte"}, "language"),
        ({"language": 7}, "language"),
        ({"consent": "yes"}, "consent"),
        ({"consent": [{"channel": "fax", "answer": "yes"}]}, "consent: channel"),
        ({"consent": [{"channel": "sms", "answer": "maybe"}]}, "consent: 'maybe'"),
        ({"consent": [{"channel": "sms", "answer": []}]}, "consent"),
        ({"consent": [{"channel": "sms", "answer": "yes", "date": "31.1.2026"}]}, "no date"),
        ({"consent": [{"channel": "sms", "answer": one} for one in ("yes", "no")]}, "answered twice"),
        ({"avatar": "javascript:alert(1)"}, "avatar"),
        ({"avatar": "https:///1.png"}, "avatar"),
        ({"avatar": "https://[1.png"}, "avatar"),
        ({"avatar": 7}, "avatar"),
        ({"links": {}}, "links"),
        ({"links": [{"type": "a", "value": "ftp://example.test", "display_name": "b"}]}, "links: value"),
        ({"links": [{"type": "a", "value": "https://example.test"}]}, "links: display_name"),
        ({"details": {"title": "T"}}, "details"),
        ({"details": {"title": "T", "content": 7}}, "details"),
        ({"details": []}, "details"),
        ({"worker": 7}, "worker"),
        ({"chanels": []}, "chanels"),
    ],
)
def test_a_bad_row_is_named_and_the_good_ones_are_kept(
    json_file: Path, changes: dict[str, object], reason: str
) -> None:
    found = reading(json_file, [{**GOOD, "customer_id": "0"}, {**GOOD, **changes}, {**GOOD, "customer_id": 9}])
    assert [customer.customer_id for customer in found.customers] == ["0", "9"]
    assert [fault.line for fault in found.faults] == [2]
    assert reason in found.faults[0].reason


def test_a_second_row_with_one_id_is_a_fault(json_file: Path) -> None:
    found = reading(json_file, [GOOD, {**GOOD, "customer_id": 1, "display_name": "Other"}])
    assert found.customers == (Customer("1", "Maria Sanchez"),)
    assert [fault.line for fault in found.faults] == [2]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"{}", b"7", b'"x"', b"null", b"\xff", b"[" * 100_000, b"[" + b"9" * 5000 + b"]x"]
)
def test_a_json_that_is_no_list_is_one_fault(json_file: Path, content: bytes) -> None:
    found = reading(json_file, content)
    assert found.customers == ()
    assert [fault.line for fault in found.faults] == [None]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"name,phone\n1,2\n", b"customer_id\n1\n", b"\xff\xff\xff"])
def test_a_csv_without_the_needed_columns_is_one_fault(csv_file: Path, content: bytes) -> None:
    found = reading(csv_file, content)
    assert found.customers == ()
    assert len(found.faults) == 1


def test_too_many_cells_and_too_large_ones_are_faults_of_their_lines(csv_file: Path) -> None:
    content = b"customer_id,display_name\n1,A,B\n2," + b"x" * 200_000 + b"\n3,C\n"
    found = reading(csv_file, content)
    assert found.customers == (Customer("3", "C"),)
    assert [fault.line for fault in found.faults] == [2, 3]


def test_a_line_that_is_not_utf_8_is_a_fault_of_its_own(csv_file: Path) -> None:
    content = "customer_id,display_name\n1,A\n2,François\n3,C\n".encode("latin-1")
    found = reading(csv_file, content)
    assert found.customers == (Customer("1", "A"), Customer("3", "C"))
    assert found.faults == (Fault(3, "not UTF-8; save the file as UTF-8"),)


def test_a_json_that_is_not_utf_8_is_one_fault(json_file: Path) -> None:
    (fault,) = reading(json_file, '[{"customer_id": "1",\n"display_name": "François"}]'.encode("latin-1")).faults
    assert (fault.line, "line 2 is not utf-8;" in fault.reason) == (None, True)


def test_a_file_that_cannot_be_read_is_one_fault(
    tmp_path: Path, json_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "cannot be read" in read_customers(tmp_path / "nowhere.json").faults[0].reason
    assert "not a .csv or .json" in read_customers(tmp_path / "customers.xlsx").faults[0].reason
    monkeypatch.setattr(customer_file, "FILE_MAX_BYTES", 10)
    assert "split it" in reading(json_file, [GOOD]).faults[0].reason


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(st.binary(max_size=60).map(lambda tail: b"customer_id,display_name,sms\n" + tail))
def test_no_csv_breaks_the_reader(csv_file: Path, content: bytes) -> None:
    for customer in reading(csv_file, content).customers:
        assert customer.customer_id
        assert customer.display_name


NAMES = st.sampled_from(
    ["customer_id", "display_name", "channels", "links", "details", "avatar", "worker", "language", "consent"]
)
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(NAMES, VALUES)))
def test_no_json_breaks_the_reader(json_file: Path, rows: list[dict[str, object]]) -> None:
    found = reading(json_file, rows)
    assert len(found.customers) + len(found.faults) == len(rows)
