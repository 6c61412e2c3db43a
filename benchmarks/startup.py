"""From nothing to a living lab: `python benchmarks/startup.py [import] [server] [chapters] [CHAPTER …]`

import     `import dlcourse` in a new process, and what a chapter imports; compiled before, and from source
server     `dlcourse lab` until it answers, and until the start page is there in headless Chromium
CHAPTER    from the click on a chapter until its cells are there, its kernel is ready, its first lab has a picture, and
           all its labs have one; and what the same cells take in a kernel that nobody looks at

Python keeps what it compiles in a folder of this run, which is warm unless said. Everything but `import` goes through
a browser: what is not explained by the kernel is JupyterLab's page and the way there.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
from common import heading
from jupyter_client.manager import start_new_kernel
from playwright.sync_api import sync_playwright

from dlcourse import server

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
from browser import CHROMIUM, FLAGS, NOTEBOOKS, Reader, course, wait_for  # noqa: E402

TARGETS = {"import": 0.3, "server": 5.0, "chapter": 3.0}
CHAPTERS = sorted(path.stem for path in NOTEBOOKS.glob("0*.ipynb"))
# A learner has not the extensions of nbgrader, which belong to the extra [instructor].
NBGRADER = ["formgrader", "validate_assignment", "assignment_list", "course_list"]
LEARNER = {"ServerApp": {"jpserver_extensions": {f"nbgrader.server_extensions.{name}": False for name in NBGRADER}}}
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
KINDS = ["kernel", "imports", "labs", "trials", "the rest"]
IMPORTS = {"`import dlcourse`": "import dlcourse", "and a chapter's labs": "import dlcourse.labs.start"}

# Seconds from the order to open a page: when its first cell was there, and when each lab had its first picture.
PROBE = """window.probe = { cells: 0, pictures: [] };
const look = () => {
  const now = performance.now() / 1e3, images = document.querySelectorAll("img.dlcourse-picture");
  if (!probe.cells && document.querySelector(".jp-Notebook .jp-Cell")) probe.cells = now;
  const alive = [...images].filter(image => image.complete && image.naturalWidth);
  while (probe.pictures.length < alive.length) probe.pictures.push(now);
  requestAnimationFrame(look);
};
requestAnimationFrame(look);"""


def python(*arguments, cache, **more):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPYCACHEPREFIX": str(cache)}
    return subprocess.run([sys.executable, *arguments], env=environment, check=True, text=True, **more)


def by_package(report):
    """The eight packages whose own lines took longest, of what -X importtime wrote."""
    spent = Counter()
    for own, name in re.findall(r"^import time: +(\d+) \| +\d+ \| +([\w.]+)$", report, re.MULTILINE):
        spent[name.partition(".")[0]] += int(own) / 1e3
    top = ", ".join(f"{name} {ms:.0f}" for name, ms in spent.most_common(8))
    return f"{spent.total():.0f} ms of imports: {top}"


def imports(cache, rounds=9):
    print(f"\n## Import, target {TARGETS['import']} s\n\n| median of {rounds}, s | warm | from source |\n|---|--:|--:|")
    for title, line in IMPORTS.items():
        code = f"import time; start = time.perf_counter(); {line}; print(time.perf_counter() - start)"
        warm, cold = [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as empty:
                cold.append(float(python("-c", code, cache=empty, stdout=subprocess.PIPE).stdout))
            python("-c", line, cache=cache)
            warm.append(float(python("-c", code, cache=cache, stdout=subprocess.PIPE).stdout))
        print(f"| {title} | {statistics.median(warm):.3f} | {statistics.median(cold):.3f} |", flush=True)
    for title, line in IMPORTS.items():
        report = python("-X", "importtime", "-c", line, cache=cache, stderr=subprocess.PIPE).stderr
        print(f"\n{title}: {by_package(report)}.")


@contextmanager
def browser():
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def since(start):
    return time.perf_counter() - start


def answers(address):
    try:
        return urlopen(address).read()
    except URLError:  # it prints its address before it listens
        return None


def lab_alone(config):
    """Seconds until JupyterLab, started as we start it but in an empty folder, says its address; and its imports."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "jupyter_server_config.json").write_text(json.dumps(config))
        environment = server.environment() | {"PYTHONPROFILEIMPORTTIME": "1", "JUPYTER_CONFIG_DIR": folder}
        start, lines = time.perf_counter(), []
        command = server.command(Path(folder), browser=False)
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            lines.append(line)
            if "http://127.0.0.1" in line:
                break
        taken = since(start)
        process.kill()
        process.communicate()
    return f"{taken:.2f} s, {by_package(''.join(lines))}"


def first_page():
    print(
        f"\n## `dlcourse lab`, target {TARGETS['server']} s\n\n| s | first ever, from source | later |\n|---|--:|--:|"
    )
    runs = []
    with browser() as chromium, tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "jupyter" / "JUPYTER_CONFIG_DIR" / "jupyter_server_config.json"
        config.parent.mkdir(parents=True)
        config.write_text(json.dumps(LEARNER))
        for _ in range(4):
            start = time.perf_counter()
            with course(Path(folder)) as address:
                wait_for("an answer", lambda address=address: answers(address))
                taken = [since(start)]
                page = chromium.new_page(viewport={"width": 1300, "height": 1000})
                page.goto(address)
                page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
                taken.append(since(start))
                page.get_by_text("(ipykernel) | Idle").wait_for(timeout=60_000)  # a server is slow to end before
                page.close()
            runs.append(taken)
    later = [statistics.median(times) for times in zip(*runs[1:], strict=True)]
    for title, new, again in zip(("it answers", "the page is shown"), runs[0], later, strict=True):
        print(f"| until {title} | {new:.2f} | {again:.2f} |")
    print(f"\nJupyterLab alone, in an empty folder, until it has an address: {lab_alone(LEARNER)}.")
    print(f"\nThe same with nbgrader's extensions, which instructors have: {lab_alone({})}.")


def code_cells(chapter):
    cells = nbformat.read(NOTEBOOKS / f"{chapter}.ipynb", 4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def kernel_alone(chapter):
    """Seconds of a kernel's start, of imports, labs, trials and the rest; and those of each lab by its line."""
    start = time.perf_counter()
    manager, client = start_new_kernel(
        cwd=str(NOTEBOOKS), env=os.environ | server.environment(), stderr=subprocess.DEVNULL
    )
    spent, labs = Counter({KINDS[0]: since(start)}), {}
    for source in code_cells(chapter):
        shown = []
        start = time.perf_counter()
        client.execute_interactive(source, store_history=False, output_hook=shown.append)
        taken = since(start)
        if any("application/vnd.jupyter.widget-view+json" in m["content"].get("data", {}) for m in shown):
            labs[source.splitlines()[-1]] = taken
            spent["labs"] += taken
        elif "dl.judge(" in source:
            spent["trials"] += taken
        else:
            spent["the rest" if spent["imports"] else "imports"] += taken
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    return spent, labs


def chapters(names, cache):
    python("-m", "compileall", "-q", str(HERE.parent / "dlcourse"), cache=cache)
    print(f"\n## A chapter until its labs are alive, target {TARGETS['chapter']} s\n")
    columns = ["cells shown", "kernel ready", "first lab", "all labs", "labs", *KINDS]
    print(f"| s | {' | '.join(columns)} |\n|---|{'--:|' * len(columns)}")
    slowest = []
    with browser() as chromium, tempfile.TemporaryDirectory() as folder, course(Path(folder)) as address:
        empty = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell()], metadata={"kernelspec": KERNEL})
        nbformat.write(empty, Path(folder) / "work" / "notebooks" / "empty.ipynb")
        page = chromium.new_page(viewport={"width": 1300, "height": 1000})
        page.add_init_script(PROBE)
        Reader(page, address, "terms")  # JupyterLab's own files are in the browser's cache from now on
        kernel_alone("00_start")  # and what Python compiles, in its own
        for chapter in names:  # what else a chapter imports
            python("-c", code_cells(chapter)[0], cache=cache)
        for chapter in ("empty", *names):
            spent, labs = kernel_alone(chapter) if chapter in names else (Counter(), {})
            reader = Reader(page, address, chapter)
            moments = [page.evaluate("probe.cells"), page.evaluate("performance.now() / 1e3")]
            if labs:
                reader.run_all(len(labs))
                pictures = page.evaluate("probe.pictures")
                moments += [pictures[0], pictures[-1]]
            row = [*moments, *[None] * (4 - len(moments)), len(labs) or None, *(spent[kind] or None for kind in KINDS)]
            cells = ["" if n is None else f"{n}" if isinstance(n, int) else f"{n:.1f}" for n in row]
            print(f"| {chapter} | {' | '.join(cells)} |", flush=True)
            slowest += [(taken, f"{line} {taken:.1f}") for line, taken in labs.items()]
    words = ", ".join(words for _, words in sorted(slowest)[:-9:-1])
    print(
        "\nEach row loads JupyterLab's page anew. The last five columns are the same cells in a kernel of its own, that"
    )
    print(f"nobody looks at. The slowest labs there, s: {words}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pieces", nargs="*", default=["import", "server", "chapters"], metavar="PIECE")
    pieces = parser.parse_args().pieces
    heading("Start-up", "jupyterlab", "ipykernel", "ipywidgets", "matplotlib")
    with tempfile.TemporaryDirectory() as cache:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = cache
        for piece in pieces:
            name, _, rounds = piece.partition("=")
            if name == "import":
                imports(cache, int(rounds or 9))
            elif name == "server":
                first_page()
            else:
                chapters(CHAPTERS if name == "chapters" else [name], cache)


if __name__ == "__main__":
    main()
