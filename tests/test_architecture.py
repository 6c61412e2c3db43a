"""Who imports whom: left never imports right. And files stay short enough to read."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dlcourse"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "_content" not in path.parts)

CORE = {"settings", "columns", "backend"}
MEANS = {
    "layers", "losses", "optimizers", "schedules", "regularizers", "constraints", "clipping", "augmentation",
}  # fmt: skip
UNDER_NETWORK = {*CORE, "parameters", "initializers", *MEANS}
UNDER_TRAINING = {*UNDER_NETWORK, "network"}
SHELL = {"cli", "doctor", "kernel", "server", "workspace", "__main__", ""}  # "" is dlcourse itself, for __version__

# A family (a module or a folder) → the families it may import. Itself is always allowed.
ALLOWED = {
    "columns": set(),
    "settings": {"columns"},
    "backend": {"settings"},
    "initializers": CORE,
    "optimizers": CORE,
    "schedules": CORE,
    "surfaces": CORE,
    "theory": {"settings", "surfaces"},
    "shrinkage": {"settings"},
    "variance": {"settings", "initializers"},
    "source": set(),
    "datasets": CORE,
    "parameters": {*CORE, "initializers"},
    **{means: {*CORE, "parameters", "initializers"} for means in MEANS - {"optimizers", "schedules"}},
    "saving": {*CORE, "initializers", "layers", "optimizers", "schedules"},
    "network": {*UNDER_NETWORK, "saving"},
    "stopping": UNDER_TRAINING,
    "sweeps": {"settings"},
    "history": {*CORE, "losses"},
    "curvature": UNDER_TRAINING,
    "divergence": {*UNDER_TRAINING, "curvature", "theory"},
    "recording": UNDER_TRAINING,
    "training": {*UNDER_TRAINING, "history", "divergence", "recording"},
    "ensembles": {*UNDER_TRAINING, "history", "training"},
    "diagnostics": {*UNDER_TRAINING, "history", "training"},
    "plots": {"settings", "surfaces"},  # takes host arrays
    **dict.fromkeys(SHELL, SHELL),
}
FREE = {"labs", "trials", "checks", "grading"}  # may import everything; nobody imports them but these two, lazily
LAZY_IMPORTERS = {"cli", ""}


def family(path):
    """dlcourse/layers/dense.py → layers, dlcourse/network.py → network, dlcourse/__init__.py → ''."""
    first = path.relative_to(PACKAGE).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def imports(path, top_level=False):
    """Every module that a file imports, in full."""
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: say where from in full, not with dots"
            if node.module != "dlcourse":
                yield node.module
            else:  # a module of ours, or a name such as __version__
                names = [alias.name for alias in node.names]
                yield from (f"dlcourse.{n}" if n in ALLOWED.keys() | FREE else "dlcourse" for n in names)


def families(modules):
    return {module.split(".")[1] if "." in module else "" for module in modules if module.split(".")[0] == "dlcourse"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_point_to_the_left(path):
    own, used = family(path), families(imports(path))
    if own not in FREE | {""}:
        assert own in ALLOWED, f"give {own} a row in ALLOWED: what may it import?"
        allowed = ALLOWED[own] | {own}
        allowed |= FREE if own in LAZY_IMPORTERS else set()
        assert used <= allowed, f"{own} may not import {used - allowed}"
    if own in LAZY_IMPORTERS:
        assert not families(imports(path, top_level=True)) & FREE, "only lazily, inside a function"


def test_surfaces_are_drawn_by_one_file_of_plots():
    users = {path.name for path in PACKAGE.glob("plots/*.py") if "surfaces" in families(imports(path)) - {"plots"}}
    assert users <= {"surfaces.py"}


def test_only_labs_know_widgets():
    for path in FILES:
        widgets = {module.split(".")[0] for module in imports(path)} & {"ipywidgets", "anywidget", "traitlets"}
        assert not widgets or family(path) in ("labs", "trials") or path.name == "nbgrader_plugin.py", path


def test_only_the_backend_knows_cupy():
    users = {family(path) for path in FILES for module in imports(path) if module.split(".")[0] in ("cupy", "cupyx")}
    assert users == set()  # it is imported by name, where it exists
    assert [family(path) for path in FILES if '"cupy' in path.read_text()] == ["backend", "doctor"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_short(path):
    listed = path.parent.name == "trials"  # a chapter's experiments, one after the other: a list may be longer
    assert len(path.read_text().splitlines()) <= (480 if listed else 320)  # about 300


def test_import_brings_nothing_heavy():
    heavy = {"matplotlib", "sklearn", "ipywidgets", "anywidget", "IPython", "scipy", "cupy", "tqdm", "mnist1d", "torch"}
    program = f"import sys, dlcourse; print(sorted({heavy} & sys.modules.keys()))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True, cwd=ROOT) == "[]\n"
