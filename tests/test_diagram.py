"""The pictures of the machine are made from its table, and the page in docs/ is the latest of them."""

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from states.diagram import arrows, as_json, as_markdown, as_mermaid, effects_of
from states.drawing import Journey, as_svg
from states.table import INITIAL, STATES, TRANSITIONS

PAGE = Path(__file__).parent.parent / "docs" / "state-machine.md"
SVG = "{http://www.w3.org/2000/svg}"
MOVES = {(source, row.dest) for row in TRANSITIONS for source in row.sources if row.dest is not None}


def test_the_page_in_docs_is_what_the_table_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == as_markdown(), "stale: run `make diagram`"


@pytest.mark.parametrize("draw", [as_mermaid, as_markdown, as_svg])
@pytest.mark.parametrize("seed", ["1", "2"])
def test_a_drawing_is_the_same_in_every_process(draw: object, seed: str) -> None:
    name, module = getattr(draw, "__name__", ""), getattr(draw, "__module__", "")
    program = f"import {module} as drawn, sys; sys.stdout.buffer.write(drawn.{name}().encode())"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env={"PYTHONHASHSEED": seed})
    assert callable(draw)
    assert run.stdout.decode() == draw()


# JSON


def test_the_json_has_one_entry_for_each_source_of_each_row() -> None:
    machine = as_json()
    assert (machine["states"], machine["initial"]) == (list(STATES), INITIAL)
    assert [
        (entry["trigger"], entry["source"], entry["dest"], entry["guards"]) for entry in machine["transitions"]
    ] == [(row.trigger, source, row.dest, list(row.guards)) for row in TRANSITIONS for source in row.sources]


def test_the_json_is_json_and_an_internal_row_has_dest_null() -> None:
    machine = json.loads(json.dumps(as_json()))
    assert machine == as_json()
    assert {
        "trigger": "message_received",
        "source": "closed",
        "dest": None,
        "guards": [],
        "effects": [],
        "does": [],
    } in machine["transitions"]


def test_the_effects_of_a_row_are_told_in_order_and_once() -> None:
    first = next(row for row in TRANSITIONS if row.sources == ("greeting",) and not row.guards)
    assert effects_of(first) == ["send_message", "ask_bot", "find_customer"]
    enriching = next(row for row in TRANSITIONS if row.trigger == "customer_found")
    assert effects_of(enriching) == ["set_friendly_name", "set_participant_attributes"]


# Mermaid and Markdown


def test_mermaid_draws_every_move_and_nothing_else() -> None:
    lines = as_mermaid().splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert f"    [*] --> {INITIAL}" in lines
    assert "    closed --> [*]" in lines
    drawn = [re.match(r" {4}(\w+) --> (\w+): (.+)$", line) for line in lines]
    found = [match.groups() for match in drawn if match]
    assert {(source, dest) for source, dest, _ in found} == MOVES
    assert len(found) == len(MOVES)
    assert {(source, dest): label.split("<br/>") for source, dest, label in found} == arrows()


def test_markdown_has_the_picture_and_a_line_for_each_row() -> None:
    page = as_markdown()
    assert f"```mermaid\n{as_mermaid()}```" in page
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(TRANSITIONS)
    assert all(line.count("|") == 6 for line in table)
    for row, line in zip(TRANSITIONS, table[2:], strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        sources, effects = ", ".join(row.sources), ", ".join(effects_of(row))
        assert cells == [sources, row.trigger, ", ".join(row.guards), row.dest or "(stays)", effects]


# SVG


def test_the_svg_is_xml_with_a_box_for_each_state_and_an_arc_for_each_move() -> None:
    picture = ElementTree.fromstring(as_svg())
    assert picture.tag == f"{SVG}svg"
    texts = ["".join(text.itertext()) for text in picture.iter(f"{SVG}text")]
    assert [text for text in texts if text in STATES] == list(STATES)
    assert len(picture.findall(f"{SVG}rect")) == len(STATES)
    assert len(picture.findall(f"{SVG}g/{SVG}path")) == len(MOVES)


def test_the_svg_names_every_trigger_that_moves() -> None:
    picture = as_svg()
    assert all(row.trigger in picture for row in TRANSITIONS if row.dest is not None)


@pytest.mark.parametrize("journey", [None, Journey("routing", dict.fromkeys(MOVES, 12))], ids=["plain", "travelled"])
def test_labels_side_by_side_leave_each_other_room(journey: Journey | None) -> None:
    picture = ElementTree.fromstring(as_svg(journey))
    levels: dict[str, list[tuple[float, float]]] = {}
    for label in picture.findall(f"{SVG}g/{SVG}text"):
        half = len("".join(label.itertext())) * 7 / 2
        middle = float(label.attrib["x"])
        levels.setdefault(label.attrib["y"], []).append((middle - half, middle + half))
    for labels in levels.values():
        assert all(before[1] < after[0] for before, after in pairwise(sorted(labels)))


def test_everything_in_the_svg_lies_within_its_frame() -> None:
    picture = ElementTree.fromstring(as_svg())
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    points = [(float(box.attrib["x"]), float(box.attrib["y"])) for box in picture.iter() if "x" in box.attrib]
    for path in picture.findall(f"{SVG}g/{SVG}path"):
        numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path.attrib["d"])]
        points += list(zip(numbers[::2], numbers[1::2], strict=True))
    assert all(0 <= x <= width and 0 <= y <= height for x, y in points)


def test_a_journey_is_marked_in_the_picture_and_told_in_words() -> None:
    moves = {("greeting", "awaiting_choice"): 1, ("awaiting_choice", "routing"): 2}
    picture = ElementTree.fromstring(as_svg(Journey("routing", moves)))
    boxes = dict.fromkeys(("current", "been"), 0)
    for box in picture.findall(f"{SVG}rect"):
        for kind in boxes:
            boxes[kind] += kind in box.attrib["class"].split()
    assert boxes == {"current": 1, "been": 3}
    assert sum("travelled" in path.attrib["class"] for path in picture.findall(f"{SVG}g/{SVG}path")) == 2
    assert "×2" in as_svg(Journey("routing", moves))
    assert picture.findtext(f"{SVG}desc") == (
        "Now in routing. Moved from greeting to awaiting_choice, awaiting_choice to routing (2 times)."
    )


def test_within_a_page_a_picture_brings_no_style_of_its_own() -> None:
    picture = as_svg(Journey("greeting"), within_page=True)
    assert "<style" not in picture
    assert "style=" not in picture
    assert "It has not moved yet." in picture
