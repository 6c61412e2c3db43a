"""The board of 06_capstone in a real browser: reached by keyboard, heard by a screen reader, there after a restart."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("axe_playwright_python")

from axe_playwright_python.sync_playwright import Axe
from browser import Reader, course, needs_browser, wait_for
from playwright.sync_api import Browser

pytestmark = needs_browser
CELL = "from dlcourse.labs.capstone import whole\n\nwhole.one_network().show()"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("course")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with course(folder) as address:
        kernel = {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}}
        page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)], metadata=kernel)
        nbformat.write(page, folder / "work" / "notebooks" / "board.ipynb")
        yield address


def test_a_run_joins_by_keyboard_and_stays(folder: Path, address: str, browser: Browser) -> None:
    reader = Reader(browser.new_page(viewport={"width": 1300, "height": 1100}), address, "board")
    reader.run_all(labs=1)
    lab = reader.lab(0)
    assert lab.get_by_text("No runs yet.").count() == 1
    lab.get_by_role("button", name="Code").focus()
    reader.page.keyboard.press("Tab")
    reader.page.keyboard.press("Enter")
    table = lab.get_by_role("table", name="Your runs, best validation accuracy first.")
    wait_for("the run", lambda: table.get_by_role("row").count() == 2)
    assert "place 1 of 1" in lab.get_by_role("alert").filter(has_text="place").inner_text()
    reader.press(lab.locator(".widget-slider").first)
    wait_for("another rate", lambda: reader.settings(lab)["learning_rate"] > 0.01)
    lab.get_by_role("button", name="Keep on the board").focus()
    reader.page.keyboard.press("Space")
    wait_for("the second run", lambda: table.get_by_role("row").count() == 3)
    lab.get_by_role("button", name="Open the envelope").click()
    lab.get_by_role("button", name="Yes, open it now").click()
    wait_for("the result", lambda: "of the test part" in table.locator("caption").inner_text())
    assert Axe().run(reader.page, context={"include": [[".jp-OutputArea"]]}).violations_count == 0
    reader.run_all(labs=1)  # a new lab, from the file
    again = reader.lab(0).get_by_role("table")
    wait_for("the board of before", lambda: again.get_by_role("row").count() == 3)
    assert (folder / "work" / "notebooks" / ".dlcourse-leaderboard.json").is_file()
    assert reader.problems == [] and reader.hosts == {"127.0.0.1"}
    reader.page.close()
