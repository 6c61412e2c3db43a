"""The labs for everyone: axe-core finds nothing serious, the keyboard reaches all, a screen reader is told enough."""

import json
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("axe_playwright_python")

from axe_playwright_python.sync_playwright import Axe
from browser import NOTEBOOKS, Reader, course, labs_of, needs_browser, wait_for
from playwright.sync_api import Browser, Locator

pytestmark = needs_browser

OUTPUTS = {"include": [[".jp-OutputArea"]]}  # the rest of the page is JupyterLab's
THEMES = "lab/user-settings/@jupyterlab/apputils-extension/themes.jupyterlab-settings"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("course")
    settings = folder / "jupyter" / "JUPYTER_CONFIG_DIR" / THEMES
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"adaptive-theme": True}))  # dark where the reader's system is dark
    with course(folder) as address:
        yield address


def open_chapter(browser: Browser, address: str, name: str) -> Reader:
    """A chapter with all of its labs alive, on a page so high that all of it is rendered."""
    with pytest.MonkeyPatch.context() as patch:
        labs = len(labs_of(name, patch))
    reader = Reader(browser.new_page(viewport={"width": 1300, "height": 20_000}), address, name)
    reader.run_all(labs)
    return reader


@pytest.fixture(scope="module")
def start(browser: Browser, address: str) -> Iterator[Reader]:
    reader = open_chapter(browser, address, "00_start")
    reader.page.set_viewport_size({"width": 1300, "height": 1000})
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


def violations(reader: Reader) -> list[str]:
    """What axe-core finds in the outputs and calls serious or critical."""
    found = Axe().run(reader.page, context=OUTPUTS).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    return [f"{v['id']}: {v['help']}: {node['html'][:200]}" for v in serious for node in v["nodes"]]


DARK = """() => document.body.dataset.jpThemeLight === "false"
  && /^rgb\\((\\d|[1-5]\\d),/.test(getComputedStyle(document.querySelector(".jp-Notebook")).backgroundColor)"""


@pytest.mark.parametrize("name", sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")))
def test_axe_finds_nothing_serious(name: str, browser: Browser, address: str) -> None:
    reader = open_chapter(browser, address, name)
    for button in reader.page.locator(".widget-toggle-button").all():
        button.click()  # pinned words and code are looked at, too
    wait_for("the code of every lab", lambda: all(reader.page.locator(".dlcourse-code").all_inner_texts()))
    assert violations(reader) == []
    reader.page.emulate_media(color_scheme="dark")
    wait_for("the dark theme", lambda: reader.page.evaluate(DARK))
    assert violations(reader) == []
    reader.page.close()


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
        *("Play", "Pin", "Reset", "Code"),
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
