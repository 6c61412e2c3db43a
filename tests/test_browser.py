"""The course in a real browser: `dlcourse lab`, JupyterLab, sliders moved by mouse and by keyboard."""

import os
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api")

from browser import CHROMIUM, FLAGS, Reader, course, labs_of
from playwright.sync_api import Browser, sync_playwright

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"),
        reason="no Chromium or Chrome here: install one (Debian: apt install chromium) to test the labs in a browser",
    ),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with course(tmp_path_factory.mktemp("course")) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def start(address: str, browser: Browser) -> Iterator[Reader]:
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    reader = Reader(page, address, "00_start")
    yield reader
    page.close()
    assert reader.problems == []
    assert reader.hosts == {"127.0.0.1"}


def test_start_follows_keyboard_and_mouse(start: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    twins = labs_of("00_start", monkeypatch)
    start.run_all(labs=len(twins))
    for number, twin in enumerate(twins):
        lab = start.lab(number)
        begin = start.settings(lab)
        assert start.shows(lab, twin.last_frame())
        handle = lab.locator(".noUi-handle").first
        handle.focus()
        for _ in range(5):
            start.page.keyboard.press("ArrowRight")
        moved = start.expect(lab, twin, since=begin)
        box = handle.bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        start.page.mouse.move(x, y)
        start.page.mouse.down()
        for i in range(20):
            start.page.mouse.move(x - 2 * i, y)
        start.page.mouse.up()
        dragged = start.expect(lab, twin, since=moved)
        assert dragged[next(iter(dragged))] < moved[next(iter(moved))]
