"""From the slider to the painted picture, in JupyterLab and headless Chromium: `python benchmarks/browser.py`

One notebook holds every way of browser_page.py, so all share page, kernel and machine; rounds go through them in
turn. A probe in the page looks at slider and picture in every frame that the browser paints.

    keys     presses well apart: milliseconds from the press to the frame with its picture
    burst    40 presses as fast as a held key: how many pictures are seen, how long the last one takes
    drag     from one end to the other by 110 mouse moves at 60 Hz: pictures seen, and their age: how long ago the
             slider stood where they show it
    blanks   frames without a picture, or with one that is still loading
    jumps    frames in which the output has another height than in the one before
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import nbformat
from common import machine
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
from browser import CHROMIUM, FLAGS, Reader, course  # noqa: E402

WAYS = {
    "interact, usual": "page.interact(page.train_usual, contours=True)",
    "interact, library": "page.interact(page.train)",
    "Lab": "page.engine()",
    "Lab, ipywidgets.Image": "page.engine(page.ImageScreen)",
    "Lab, ipywidgets.HTML": "page.engine(page.HTMLScreen)",
    "floor": "page.table()",
    "Lab, trained ahead": "page.engine(ahead=True)",
}
OURS, FLOOR = "Lab", "floor"

PROBE = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const probe = window.probe = { cell: null, frames: [], presses: [] };
  let known = null, address = "", position = -1;
  function shown(image) {
    if (!image?.complete || !image.naturalWidth) return -1;
    if (image !== known || image.src !== address) [known, address, position] = [image, image.src, read(image)];
    return position;
  }
  function read(image) {
    context.clearRect(0, 0, 1, 1);
    context.drawImage(image, 16, image.naturalHeight - 17, 1, 1, 0, 0, 1, 1);
    const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
    return green > 200 && blue < 50 ? red : -1;
  }
  function look() {
    if (probe.cell) {
      const handle = probe.cell.querySelector(".noUi-handle"), image = probe.cell.querySelector("img");
      const height = Math.round(probe.cell.querySelector(".jp-OutputArea").getBoundingClientRect().height);
      const slider = Math.round(parseFloat(handle.getAttribute("aria-valuenow")));
      probe.frames.push([performance.now(), slider, shown(image), height]);
    }
    requestAnimationFrame(look);
  }
  window.addEventListener("keydown", e => e.key.startsWith("Arrow") && probe.presses.push(performance.now()), true);
  requestAnimationFrame(look);
}"""


def notebook(folder: Path) -> None:
    sources = ["import browser_page as page", *WAYS.values()]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "benchmark.ipynb")


class Way:
    """One cell of the notebook: its slider moved, its pictures watched."""

    def __init__(self, page, number: int):
        self.page, self.cell = page, page.locator(".jp-CodeCell").nth(number)
        self.results: dict[str, list[float]] = {}

    def note(self, name: str, *values: float) -> None:
        self.results.setdefault(name, []).extend(values)

    def start(self) -> None:
        self.cell.scroll_into_view_if_needed()
        self.handle = self.cell.locator(".noUi-handle")
        self.handle.focus()
        self.cell.evaluate("cell => { probe.cell = cell; }")

    def clear(self) -> None:
        self.page.evaluate("() => { probe.frames = []; probe.presses = []; }")

    def position(self) -> int:
        return round(float(self.handle.get_attribute("aria-valuenow")))

    def frames(self) -> list:
        """(milliseconds, slider, picture, height) of every frame since clear, once the picture has caught up."""
        settled = f"() => probe.frames.length && probe.frames.at(-1)[2] === {self.position()}"
        self.page.wait_for_function(settled, timeout=30_000)
        return self.page.evaluate("probe.frames")

    def watch(self, frames: list) -> None:
        """Count what should never be."""
        self.note("blanks", sum(picture < 0 for _, _, picture, _ in frames))
        heights = [height for *_, height in frames]
        self.note("jumps", sum(abs(a - b) > 5 for a, b in pairwise(heights)))

    def keys(self, presses: int, gap: float) -> None:
        for i in range(presses + 1):
            self.clear()
            self.page.keyboard.press("ArrowRight")
            time.sleep(gap)
            frames, (pressed,) = self.frames(), self.page.evaluate("probe.presses")
            if i:  # the first one wakes everything up
                self.note("keys", next(t for t, _, picture, _ in frames if picture == frames[-1][1]) - pressed)
                self.watch(frames)

    def burst(self) -> None:
        self.clear()
        for _ in range(40):
            self.page.keyboard.press("ArrowRight")
            time.sleep(0.02)
        frames, presses = self.frames(), self.page.evaluate("probe.presses")
        self.watch(frames)
        self.note("burst pictures", len({picture for _, _, picture, _ in frames if picture >= 0}))
        self.note("burst last", next(t for t, _, picture, _ in frames if picture == frames[-1][1]) - presses[-1])

    def drag(self) -> None:
        self.handle.press("Home")
        self.clear()
        self.frames()
        box, track = self.handle.bounding_box(), self.cell.locator(".noUi-base").bounding_box()
        x, y, end = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, track["x"] + track["width"] - 5
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.clear()
        begin = time.monotonic()
        for i in range(1, 111):
            self.page.mouse.move(x + (end - x) * i / 110, y)
            time.sleep(max(0.0, begin + i / 60 - time.monotonic()))
        released = self.page.evaluate("performance.now()")
        self.page.mouse.up()
        frames = self.frames()
        self.watch(frames)
        last_at: dict[int, float] = {}
        for t, slider, picture, _ in frames:
            last_at[slider] = t
            if t < released and picture in last_at:
                self.note("age", t - last_at[picture])
        self.note("drag pictures", len({picture for _, _, picture, _ in frames if picture >= 0}))
        self.note("drag positions", len({slider for _, slider, _, _ in frames}))
        self.handle.press("Home")  # room for the arrow keys of the next round


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def table(ways: dict[str, Way]) -> None:
    columns = {
        "key p50": lambda r: percentile(r["keys"], 0.5),
        "key p95": lambda r: percentile(r["keys"], 0.95),
        "burst last": lambda r: statistics.median(r["burst last"]),
        "pictures/40": lambda r: statistics.median(r["burst pictures"]),
        "age p50": lambda r: percentile(r["age"], 0.5),
        "age p95": lambda r: percentile(r["age"], 0.95),
        "pictures": lambda r: statistics.median(r["drag pictures"]),
        "positions": lambda r: statistics.median(r["drag positions"]),
        "blanks": lambda r: sum(r["blanks"]),
        "jumps": lambda r: sum(r["jumps"]),
    }
    print(f"\n{'ms':<24}" + "".join(f"{name:>12}" for name in columns))
    for name, way in ways.items():
        print(f"{name:<24}" + "".join(f"{column(way.results):12.0f}" for column in columns.values()))
    for share in (0.5, 0.95):
        taken = {name: percentile(way.results["keys"], share) for name, way in ways.items()}
        print(f"p{share * 100:.0f} over {OURS}: " + ", ".join(f"{n} {ms / taken[OURS]:.2f}" for n, ms in taken.items()))
        print(f"    {OURS} over {FLOOR}: {taken[OURS] / taken[FLOOR]:.2f}")


def opening(browser, address: str, chapter: str, labs: int) -> float:
    """Seconds from opening a chapter, its kernel included, until all its labs are alive."""
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    begin = time.monotonic()
    Reader(page, address, chapter).run_all(labs)
    taken = time.monotonic() - begin
    page.close()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the presses, one round")
    parser.add_argument("--presses", type=int, default=40, help="separate key presses for each way")
    parser.add_argument("--gap", type=float, default=0.8, help="seconds between them; a lab makes a ghost after 0.7")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", default="", help="ways whose names contain one of these words, with commas between")
    options = parser.parse_args()
    if options.quick:
        options.presses, options.rounds = 8, 1
    print(machine("jupyterlab", "ipywidgets", "anywidget", "ipykernel", "matplotlib"))
    os.environ["PYTHONPATH"] = str(HERE)  # for the kernel
    with tempfile.TemporaryDirectory() as folder, course(Path(folder)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        print(f"Chromium {browser.version}")
        print(f"00_start until all labs are alive: {opening(browser, address, '00_start', 2):.1f} s")
        notebook(Path(folder) / "work" / "notebooks")
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        reader = Reader(page, address, "benchmark")
        reader.run_all(labs=3)  # the ways with a Screen
        page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first.wait_for(timeout=120_000)
        page.evaluate(PROBE)
        ways = {name: Way(page, number) for number, name in enumerate(WAYS, start=1)}
        ways = {n: w for n, w in ways.items() if any(word in n for word in options.only.split(","))}
        for number in range(options.rounds):
            for way in list(ways.values())[:: -1 if number % 2 else 1]:  # forth and back: being first is a drawback
                way.start()
                way.keys(options.presses // options.rounds, options.gap)
                way.burst()
                way.drag()
        table(ways)
        browser.close()
        print(*reader.problems, sep="\n")


if __name__ == "__main__":
    main()
