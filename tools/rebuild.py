"""Rebuild whatever is generated: `python tools/rebuild.py [NOTEBOOK …]`.

Runs the chapters and stores their outputs, so that they show pictures and findings where there is no kernel.
A lab keeps its still picture; the live widget, which only a running kernel can bring back, is left out.
Without a name it also makes exercises/ out of the masters in solutions/ (exercises.py).
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

import exercises
from dlcourse import server

ROOT = Path(__file__).parent.parent
WIDGET = "application/vnd.jupyter.widget-view+json"


def rebuild(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    client = NotebookClient(notebook, store_widget_state=False, timeout=120, record_timing=False)
    client.execute(cwd=str(path.parent), env=server.environment())  # as the lab runs them
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
    notebook.metadata = {k: notebook.metadata[k] for k in ("kernelspec", "language_info")}
    notebook.metadata.language_info = {"name": "python"}
    nbformat.write(notebook, path)
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    for each in map(Path, sys.argv[1:] or sorted((ROOT / "notebooks").glob("*.ipynb"))):
        rebuild(each)
    if not sys.argv[1:]:
        exercises.rebuild()
