"""A page of feedback in a real browser, looked at by axe-core by day and by night."""

from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("axe_playwright_python")

from axe_playwright_python.sync_playwright import Axe
from browser import needs_browser
from classes import QUICK, RIGHT, hand_in, needs_sandbox

from dlcourse.grading.batch import grade_class

pytestmark = [*needs_browser, needs_sandbox()]
SOURCES = [
    RIGHT,
    "def nesterov_step(*a): return print('x' * 300)",
    "def newton_step(*a): return a[0]",
    "largest_rate = 1 / 0",
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1200])
def test_axe_finds_nothing_wrong_with_a_page(scheme, width, tmp_path, browser):
    hand_in(tmp_path / "in", "Zoë Ω", *SOURCES)
    out = tmp_path / "out"
    grade_class(tmp_path / "in", out, lambda: ThreadPoolExecutor(1), notebooks=["momentum"], limits=QUICK)
    (path,) = (out / "feedback").iterdir()
    page = browser.new_page(color_scheme=scheme, bypass_csp=True, viewport={"width": width, "height": 800})
    page.goto(path.as_uri())
    assert Axe().run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # nothing runs out of the page
    page.close()
