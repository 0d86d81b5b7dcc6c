"""What the doctor makes of workers' names and of its findings, without a house to examine."""

import pytest

from orchestrator.doctor.findings import Finding, exit_code
from orchestrator.doctor.identities import duplicates, fault_of


@pytest.mark.parametrize(
    ("name", "attributes", "is_fine"),
    [
        ("ada@example.test", {}, True),
        ("ada@example.test", {"contact_uri": "client:ada@example.test"}, True),
        ("ada@example.test", {"contact_uri": "client:ada_40example_2Etest", "identity": "ada@example.test"}, True),
        ("ada@example.test", {"contact_uri": 7, "identity": ""}, True),
        ("ada@example.test", {"contact_uri": "client:Ada@example.test"}, False),
        ("ada@example.test", {"identity": "grace@example.test"}, False),
        ("Ada", {}, False),
        ("@ada", {}, False),
    ],
)
def test_a_worker_is_reached_under_his_friendly_name(name: str, attributes: dict[str, object], is_fine: bool) -> None:
    assert (fault_of(name, attributes) is None) == is_fine


def test_a_name_in_two_letter_cases_is_one_name() -> None:
    assert duplicates(["ada@example.test", "Ada@example.test", "alan@example.test"]) == ["ada@example.test"]


def test_the_gravest_finding_is_the_exit_code() -> None:
    failed, down, misconfigured = (Finding("x", "wrong", "", None, code) for code in (1, 69, 78))
    assert exit_code([failed, misconfigured, down]) == 78
    assert exit_code([failed, down]) == 69
    assert exit_code([Finding("x", "warning", ""), Finding("x", "skipped", "")]) == 0
