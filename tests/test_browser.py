"""Every chapter in a real browser: run, driven by mouse and keyboard, looked at by axe-core.

Of each lab one control is moved, in turn another one; `pytest tests/test_browser.py --every-control` moves all.
"""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("axe_playwright_python")

from axe_playwright_python.sync_playwright import Axe
from browser import NOTEBOOKS, Reader, course, labs_of, needs_browser, wait_for
from playwright.sync_api import Browser, Locator

from dlcourse.labs import Lab

pytestmark = needs_browser
CHAPTERS = sorted(path.stem for path in NOTEBOOKS.glob("[0-9]*.ipynb"))
THEMES = "lab/user-settings/@jupyterlab/apputils-extension/themes.jupyterlab-settings"
DARK = """() => document.body.dataset.jpThemeLight === "false"
  && /^rgb\\((\\d|[1-5]\\d),/.test(getComputedStyle(document.querySelector(".jp-Notebook")).backgroundColor)"""
OUTPUTS = {"include": [[".jp-OutputArea"]]}  # the rest of the page is JupyterLab's


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("course")
    settings = folder / "jupyter" / "JUPYTER_CONFIG_DIR" / THEMES
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"adaptive-theme": True}))  # dark where the reader's system is dark
    with course(folder) as address:
        yield address


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter(
    chapter: str,
    address: str,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
) -> None:
    """Pictures and findings are those of last_frame, whatever moves; no blank frame, no error, no outside request."""
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    reader = Reader(page, address, chapter)
    twins = labs_of(chapter, monkeypatch)
    reader.run_all(labs=len(twins))
    reader.watch_for_blanks()
    for number, twin in enumerate(twins):
        lab = reader.lab(number)
        assert reader.shows(lab, twin.last_frame())
        now = reader.settings(lab)
        controls = lab.locator(".widget-slider, select, input[type=checkbox]").all()
        if not pytestconfig.getoption("every_control"):
            controls = [controls[number % len(controls)]]
        for control in controls:
            now = use(control)(reader, lab, control, twin, now)
        lab.get_by_role("button", name="Reset").click()
        start = twin.last_frame()  # a slow run shows how far it is, under the same settings: these alone do not do
        wait_for("the lab to be as it was", partial(reader.stands, lab, start))
    assert reader.blanks() == 0
    look_for_barriers(reader)
    page.close()
    assert reader.problems == []
    assert reader.hosts == {"127.0.0.1"}


def use(control: Locator) -> Any:
    kind = control.evaluate("e => e.localName")
    return {"select": use_menu, "input": use_switch}.get(kind, use_slider)


def use_slider(reader: Reader, lab: Locator, slider: Locator, twin: Lab, now: dict[str, Any]) -> dict[str, Any]:
    reader.press(slider, "ArrowLeft" if reader.place(slider) > 0.99 else "ArrowRight")
    now = reader.expect(lab, twin, since=now)
    reader.drag(slider, share=0.4 if abs(reader.place(slider) - 0.4) > 0.1 else 0.7)  # not to where it stands
    return reader.expect(lab, twin, since=now)


def use_menu(reader: Reader, lab: Locator, menu: Locator, twin: Lab, now: dict[str, Any]) -> dict[str, Any]:
    menu.focus()
    reader.page.keyboard.press("ArrowUp" if menu.evaluate("m => m.selectedIndex == m.length - 1") else "ArrowDown")
    now = reader.expect(lab, twin, since=now)
    menu.select_option(index=0 if menu.evaluate("m => m.selectedIndex") else 1)
    return reader.expect(lab, twin, since=now)


def use_switch(reader: Reader, lab: Locator, switch: Locator, twin: Lab, now: dict[str, Any]) -> dict[str, Any]:
    switch.focus()
    reader.page.keyboard.press("Space")
    return reader.expect(lab, twin, since=now)


def look_for_barriers(reader: Reader) -> None:
    """axe-core finds nothing serious in the outputs, by day and by night, with every word that a lab can say."""
    reader.page.set_viewport_size({"width": 1300, "height": 20_000})  # so high that nearly all of it is rendered
    for buttons in ("button[title='Without a guess']", ".widget-toggle-button"):  # what trials found; pins and code
        reader.page.locator(buttons).evaluate_all("all => all.forEach(button => button.click())")
    code = reader.page.locator(".dlcourse-code")
    wait_for("the code of every lab and trial", lambda: all(code.all_text_contents()))
    assert violations(reader) == []
    reader.page.emulate_media(color_scheme="dark")
    wait_for("the dark theme", lambda: reader.page.evaluate(DARK))
    assert violations(reader) == []


def violations(reader: Reader) -> list[str]:
    """What axe-core finds in the outputs and calls serious or critical."""
    found = Axe().run(reader.page, context=OUTPUTS).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    return [f"{v['id']}: {v['help']}: {node['html'][:200]}" for v in serious for node in v["nodes"]]


def test_what_was_there_stays_behind_as_a_ghost(address: str, browser: Browser) -> None:
    reader = Reader(browser.new_page(viewport={"width": 1300, "height": 1000}), address, "00_start")
    reader.run_all(labs=2)
    lab = reader.lab(0)
    picture, ghost = lab.locator("img.dlcourse-picture"), lab.locator("img.dlcourse-ghost")
    first = picture.get_attribute("src")
    assert ghost.count() == 0
    reader.press(lab.locator(".widget-slider").first)
    wait_for("a ghost", lambda: ghost.count() and ghost.get_attribute("src") == first)
    assert picture.get_attribute("src") != first
    outline = ghost.evaluate("e => e.style.clipPath")
    assert outline.startswith("polygon(evenodd") and outline.count("%") > 20  # a hole: the digits have no ghost
    lab.get_by_role("button", name="Reset").click()
    wait_for("no ghost", lambda: not ghost.count() and picture.get_attribute("src") == first)
    lab.get_by_role("button", name="Pin").click()
    wait_for("the pinned run", lambda: ghost.count() and ghost.get_attribute("src") == first)
    lab.get_by_role("button", name="Pin").click()
    sweep, swept = lab.get_by_role("button", name="Sweep"), lab.locator(".dlcourse-swept")
    sweep.click()
    wait_for("all curves behind", lambda: "71 runs" in swept.inner_text())
    assert picture.get_attribute("src") != first and swept.is_visible()
    sweep.click()
    wait_for("the plain picture", lambda: picture.get_attribute("src") == first and not swept.is_visible())
    reader.page.close()
    assert reader.problems == []
