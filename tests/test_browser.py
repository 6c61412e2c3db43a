"""The course in a real browser: `dlcourse lab`, JupyterLab, every control of every lab by mouse and by keyboard."""

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api")

from browser import NOTEBOOKS, Reader, course, labs_of, needs_browser, wait_for
from playwright.sync_api import Browser

pytestmark = needs_browser
CHAPTERS = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with course(tmp_path_factory.mktemp("course")) as address:
        yield address


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_lab_follows_its_controls(
    chapter: str, address: str, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    reader = Reader(page, address, chapter)
    twins = labs_of(chapter, monkeypatch)
    reader.run_all(labs=len(twins))
    reader.watch_for_blanks()
    for number, twin in enumerate(twins):
        lab = reader.lab(number)
        assert reader.shows(lab, twin.last_frame())
        now = reader.settings(lab)
        for slider in lab.locator(".widget-slider").all():
            end = slider.locator(".noUi-handle").get_attribute("aria-valuenow")
            right_end = end == slider.locator(".noUi-handle").get_attribute("aria-valuemax")
            reader.press(slider, "ArrowLeft" if right_end else "ArrowRight")
            now = reader.expect(lab, twin, since=now)
            reader.drag(slider, share=0.4)
            now = reader.expect(lab, twin, since=now)
        for menu in lab.locator("select").all():
            menu.focus()
            page.keyboard.press("ArrowUp" if menu.evaluate("m => m.selectedIndex == m.length - 1") else "ArrowDown")
            now = reader.expect(lab, twin, since=now)
            menu.select_option(index=0 if menu.evaluate("m => m.selectedIndex") else 1)
            now = reader.expect(lab, twin, since=now)
        lab.get_by_role("button", name="Reset").click()
        wait_for("the lab to be as it was", lambda lab=lab, twin=twin: reader.settings(lab) == twin.settings())
        assert reader.shows(lab, twin.last_frame())
    assert reader.blanks() == 0
    page.close()
    assert reader.problems == []
    assert reader.hosts == {"127.0.0.1"}
