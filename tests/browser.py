"""A reader with a browser: opens a chapter in JupyterLab, runs it, moves controls, looks at pictures.

What a lab shows is compared with what `last_frame` gives for the same settings in this process, pixel by pixel.
"""

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, TimeoutError

from dlcourse.labs import Frame, Lab

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
# One page, no calls home: without these Chromium asks for updates and looks up its maker's hosts.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HARMLESS = re.compile(r"ResizeObserver loop")  # a browser's own remark about a busy frame

PIXELS = """image => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return canvas.toDataURL("image/png");
}"""


BLANKS = """() => {
  window.blanks = 0;
  const look = () => {
    for (const stage of document.querySelectorAll(".dlcourse-stage")) {
      const image = stage.querySelector("img.dlcourse-picture");
      if (!image || !image.complete || !image.naturalWidth) window.blanks += 1;
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


needs_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"),
        reason="no Chromium or Chrome here: install one (Debian: apt install chromium) to test the labs in a browser",
    ),
]


@contextmanager
def course(folder: Path) -> Iterator[str]:
    """`dlcourse lab` in a new folder; gives the address of the start page, and ends the server afterwards."""
    own = {name: str(folder / "jupyter" / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    command = [sys.executable, "-m", "dlcourse", "lab", str(folder / "work"), "--no-browser"]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | own
    )
    try:
        assert server.stdout
        for line in server.stdout:
            if address := re.search(r"http://127\.0\.0\.1:\S+", line):
                yield address.group()
                return
        raise AssertionError("dlcourse lab ended without an address")
    finally:
        server.terminate()
        server.wait(timeout=30)


def wait_for(what: str, holds: Callable[[], Any], seconds: float = 30) -> Any:
    """Ask again and again until it holds; what it returns."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := holds():
            return result
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


def number_in(text: str | None) -> Any:
    """The number that the text is, or the text."""
    text = (text or "").replace("\xa0", " ")  # a menu of ipywidgets has no other spaces
    try:
        return float(text.replace("−", "-"))  # sliders write a true minus sign
    except ValueError:
        return text


def labs_of(notebook: str, monkeypatch: Any) -> list[Lab]:
    """The labs of a chapter, in order, made in this process by running its code cells."""
    shown: list[Lab] = []
    monkeypatch.setattr(Lab, "show", lambda lab: shown.append(lab))
    namespace: dict[str, Any] = {}
    for cell in nbformat.read(NOTEBOOKS / f"{notebook}.ipynb", 4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, notebook, "exec"), namespace)
    return shown


class Reader:
    """One chapter, open in the browser."""

    def __init__(self, page: Page, address: str, notebook: str):
        self.page, self.problems, self.hosts = page, [], set()  # type: ignore[var-annotated]
        page.on("console", lambda m: self.note(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: self.note(str(e)))
        page.on("request", lambda r: self.hosts.add(re.sub(r"^(?:blob:)?\w+://([^:/]*).*", r"\1", r.url)))
        alone = address.replace("?", "?reset&", 1)  # without the chapters that were open before
        page.goto(re.sub(r"notebooks/\w+\.ipynb", f"notebooks/{notebook}.ipynb", alone))
        page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
        page.get_by_text("(ipykernel) | Idle").wait_for(timeout=60_000)  # the kernel: the indicator is idle without one

    def note(self, text: str) -> None:
        if not HARMLESS.search(text):
            self.problems.append(text)

    def run_all(self, labs: int) -> None:
        """Run every cell and wait for all labs to be alive."""

        def started() -> bool:
            """JupyterLab drops the order to run while it is still busy opening the notebook: say it again."""
            self.page.get_by_role("menuitem", name="Run", exact=True).click()
            self.page.get_by_text("Run All Cells", exact=True).click()
            try:
                running = self.page.locator(".jp-InputPrompt", has_text="[*]")
                running.or_(self.page.locator(".dlcourse-lab")).first.wait_for(timeout=5000)
                return True
            except TimeoutError:
                return False

        wait_for("the cells to run", started)
        pictures = self.page.locator(".dlcourse-lab img.dlcourse-picture")
        try:
            wait_for(f"{labs} labs", lambda: pictures.count() == labs, 120)
        except AssertionError as late:
            alive = pictures.count(), self.page.locator(".dlcourse-lab").count()
            prompts = self.page.locator(".jp-InputPrompt").all_text_contents()
            self.page.screenshot(path="late.png", timeout=5000)
            raise AssertionError(f"{late}: pictures and labs {alive}, cells {prompts}, {self.problems}") from None
        # The trials behind the labs keep the kernel busy: a lab would answer after them.
        wait_for("the last cell", lambda: not self.page.locator(".jp-InputPrompt", has_text="[*]").count(), 120)

    def lab(self, number: int) -> Locator:
        lab = self.page.locator(".dlcourse-lab").nth(number)
        lab.scroll_into_view_if_needed()
        return lab

    def settings(self, lab: Locator) -> dict[str, Any]:
        return json.loads(lab.locator("img.dlcourse-picture").get_attribute("data-settings") or "{}")

    def controls(self, lab: Locator) -> list[Any]:
        """Where the controls stand, as the page says it: a number, the words of a choice, on or off."""
        stands: list[Any] = []
        for control in lab.locator(".dlcourse-controls > *").all():
            if control.locator("select").count():
                stands.append(number_in(control.locator("select option:checked").text_content()))
            elif control.locator("input[type=checkbox]").count():
                stands.append(control.locator("input[type=checkbox]").is_checked())
            else:
                stands.append(number_in(control.locator(".widget-readout").text_content()))
        return stands

    def shows(self, lab: Locator, frame: Frame) -> bool:
        """Are picture, alt text and finding those of this frame?"""
        image = lab.locator("img.dlcourse-picture")
        if image.get_attribute("alt") != frame.alt or lab.locator("figcaption").inner_text() != frame.finding:
            return False
        data = base64.b64decode(image.evaluate(PIXELS).partition(",")[2])
        pixels = [np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) for png in (data, frame.png)]
        return pixels[0].shape == pixels[1].shape and bool((pixels[0] == pixels[1]).all())

    def stands(self, lab: Locator, frame: Frame) -> bool:
        """Are the settings those of this frame, too?"""
        return self.settings(lab) == frame.settings and self.shows(lab, frame)

    def expect(self, lab: Locator, twin: Lab, since: dict[str, Any]) -> dict[str, Any]:
        """Wait until the lab shows other settings than `since`, those of its controls, and their last_frame."""

        def settled() -> dict[str, Any] | None:
            now = self.settings(lab)
            meant = [number_in(v) if isinstance(v, str) else v for v in now.values()]  # a choice may be called "0"
            there = now != since and meant == self.controls(lab)
            return now if there and self.shows(lab, twin.last_frame(**now)) else None

        return wait_for(f"the picture and finding of {twin}, now at {self.settings(lab)}", settled)

    def watch_for_blanks(self) -> None:
        """From now on, count the frames in which a lab stands there without a picture."""
        self.page.evaluate(BLANKS)

    def blanks(self) -> int:
        return self.page.evaluate("window.blanks")

    def press(self, slider: Locator, key: str = "ArrowRight", times: int = 3) -> None:
        slider.locator(".noUi-handle").focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def place(self, slider: Locator) -> float:
        """Where the handle stands, from 0 to 1: its aria-valuenow has one decimal only."""
        handle, track = slider.locator(".noUi-handle").bounding_box(), slider.locator(".noUi-base").bounding_box()
        assert handle and track
        return (handle["x"] + handle["width"] / 2 - track["x"]) / track["width"]

    def drag(self, slider: Locator, share: float) -> None:
        """Take the handle with the mouse to a place between the ends of the slider, on the way seen by the lab."""
        handle, track = slider.locator(".noUi-handle").bounding_box(), slider.locator(".noUi-base").bounding_box()
        assert handle and track
        x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(track["x"] + share * track["width"], y, steps=15)
        self.page.mouse.up()
