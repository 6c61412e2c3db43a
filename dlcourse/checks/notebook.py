"""`dlcourse check NOTEBOOK`: run a notebook in a kernel of its own and collect what its checks say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from dlcourse.checks.report import MIME
from dlcourse.workspace import UserError

SECONDS = 60  # for one cell; a check has its own, shorter limit


def check_notebook(path: Path) -> Iterator[tuple[bool, str]]:
    """Each check's result and text, in the order of the notebook; cells that stopped with an error are told too."""
    notebook = read(path)
    folder = {"metadata": {"path": str(path.resolve().parent)}}
    quiet = ["--IPKernelApp.log_level=40"]  # errors only: a warning about its own loopback says nothing to a learner
    client = NotebookClient(notebook, timeout=SECONDS, allow_errors=True, resources=folder, extra_arguments=quiet)
    try:
        client.execute()
    except CellTimeoutError:
        yield False, f"✗ A cell was still running after {SECONDS} seconds: an endless loop? The rest did not run."
    except DeadKernelError:
        yield False, "✗ Python itself died in a cell. The rest did not run."
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            facts = output.get("data", {}).get(MIME)
            if facts:
                yield bool(facts.get("passed")), str(facts.get("text"))
            elif output.output_type == "error":
                yield False, f"✗ Cell {number} stopped: {output.ename}: {output.evalue}"


def read(path: Path) -> Any:
    try:
        return nbformat.read(path, 4)
    except Exception as error:
        why = "no such file" if isinstance(error, FileNotFoundError) else "it cannot be read as one"
        message = f"NOTEBOOK must be a notebook, an .ipynb file; got notebook={path} ({why}). Give the path of one."
        raise UserError(message) from error
