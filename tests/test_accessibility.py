"""The labs for everyone: the keyboard reaches all, a screen reader is told enough. (axe-core: test_browser.py)"""

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api")

from browser import Reader, course, needs_browser, wait_for
from playwright.sync_api import Browser, Locator

pytestmark = needs_browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with course(tmp_path_factory.mktemp("course")) as address:
        yield address


@pytest.fixture(scope="module")
def start(browser: Browser, address: str) -> Iterator[Reader]:
    reader = Reader(browser.new_page(viewport={"width": 1300, "height": 1000}), address, "00_start")
    reader.run_all(labs=2)
    yield reader
    reader.page.close()
    assert reader.problems == []


@pytest.fixture
def lab(start: Reader) -> Locator:
    """The first lab of the first chapter, with its controls where they start."""
    lab = start.lab(0)
    lab.get_by_role("button", name="Reset").click()
    wait_for("the start", lambda: start.settings(lab) == BEGIN)
    return lab


BEGIN = {"learning_rate": 0.1, "momentum": 0.9, "width": 32, "seed": 0}


FOCUSABLE = "select, button, [tabindex], [contenteditable]"
FOCUSED = f"""lab => [...lab.querySelectorAll("{FOCUSABLE}")].indexOf(document.activeElement)"""
NAME = "e => e.getAttribute('aria-label') ?? e.labels?.[0]?.textContent ?? e.textContent"


def test_tab_visits_every_control_in_order(start: Reader, lab: Locator) -> None:
    stops = lab.locator(FOCUSABLE)
    count = stops.count()
    stops.first.focus()
    visited = [lab.evaluate(FOCUSED)]
    for _ in range(count - 1):
        start.page.keyboard.press("Tab")
        visited.append(lab.evaluate(FOCUSED))
    assert visited == list(range(count))
    names = [stops.nth(i).evaluate(NAME) for i in range(count)]
    assert [name for name in names if not name.endswith(", value")] == [
        *("learning rate η", "momentum μ", "hidden units", "seed"),
        *("Play", "Pin", "Sweep", "Reset", "Code"),
    ]


def test_keys_press_buttons_and_change_a_choice(start: Reader, lab: Locator) -> None:
    pin, reset = lab.get_by_role("button", name="Pin"), lab.get_by_role("button", name="Reset")
    pin.focus()
    start.page.keyboard.press("Space")
    wait_for("Pin to be pressed", lambda: pin.get_attribute("aria-pressed") == "true")
    lab.locator(".dlcourse-pinned").wait_for(state="visible")
    lab.get_by_role("combobox", name="hidden units").focus()
    start.page.keyboard.press("ArrowDown")
    wait_for("another choice", lambda: start.settings(lab)["width"] == 64)
    reset.focus()
    start.page.keyboard.press("Enter")
    wait_for("the start", lambda: start.settings(lab) == BEGIN and pin.get_attribute("aria-pressed") == "false")


def test_a_slider_says_its_name_and_value(start: Reader, lab: Locator) -> None:
    slider = lab.get_by_role("slider", name="learning rate η")
    readout = lab.get_by_role("textbox", name="learning rate η, value")
    assert slider.get_attribute("aria-valuetext") == readout.text_content() == "0.100"
    slider.focus()
    for _ in range(3):
        start.page.keyboard.press("ArrowRight")
    wait_for("another value", lambda: start.settings(lab)["learning_rate"] == 0.141)
    wait_for("its words", lambda: slider.get_attribute("aria-valuetext") == readout.text_content() == "0.141")


LISTEN = """lab => {
  window.heard = [];
  const note = part => () => window.heard.push([part.getAttribute("role"), performance.now(), part.textContent]);
  for (const part of [lab.querySelector("figcaption"), lab.querySelector("[role=status]")])
    new MutationObserver(note(part)).observe(part, { childList: true, characterData: true, subtree: true });
}"""


def test_a_screen_reader_hears_the_last_finding_only(start: Reader, lab: Locator) -> None:
    status, caption = lab.get_by_role("status"), lab.locator("figcaption")
    wait_for("the first finding", lambda: status.text_content() == caption.text_content() != "")
    lab.evaluate(LISTEN)
    lab.get_by_role("slider", name="momentum μ").focus()
    for _ in range(8):
        start.page.keyboard.press("ArrowLeft")
    wait_for("the last setting", lambda: start.settings(lab)["momentum"] == 0.82)
    wait_for("the last finding", lambda: status.text_content() == caption.text_content())
    heard = start.page.evaluate("window.heard")
    for i, (role, when, text) in enumerate(heard):
        if role == "status":
            seen = [(at, words) for kind, at, words in heard[:i] if kind != "status"]
            assert when - seen[-1][0] > 500 and text == seen[-1][1]  # it was quiet before, and the words are those seen
    assert heard[-1][0] == "status"


def test_a_narrow_window_shows_the_whole_picture(start: Reader, lab: Locator) -> None:
    start.page.set_viewport_size({"width": 600, "height": 900})
    image, ghost = lab.locator("img.dlcourse-picture"), lab.locator("img.dlcourse-ghost")
    lab.get_by_role("button", name="Pin").click()
    wait_for("a ghost", lambda: ghost.count() == 1)

    def fits() -> bool:
        area, box, behind = (each.bounding_box() for each in (lab, image, ghost))
        assert area and box and behind
        return box["x"] + box["width"] <= area["x"] + area["width"] <= 600 and behind == box

    wait_for("a picture that fits", fits)
    shape = image.evaluate("i => [i.width / i.height, i.naturalWidth / i.naturalHeight]")
    assert shape[0] == pytest.approx(shape[1], rel=0.01)
