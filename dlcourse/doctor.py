"""`dlcourse doctor`: what works on this machine, and what to do about the rest. Asks; changes nothing."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("numpy", "scipy", "matplotlib", "jupyterlab", "ipywidgets", "anywidget")
WIDGETS = {"ipywidgets": "@jupyter-widgets/jupyterlab-manager", "anywidget": "anywidget"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox")
PATIENCE = 10  # seconds for another program to answer


@dataclass(frozen=True)
class Finding:
    mark: str  # ✓ works · – an extra that is absent · ✗ the course needs it
    text: str

    def __str__(self) -> str:
        return f"{self.mark} {self.text}"


def works(text: str) -> Finding:
    return Finding("✓", text)


def absent(text: str) -> Finding:
    return Finding("–", text)


def broken(text: str) -> Finding:
    return Finding("✗", text)


def examine(folder: Path) -> Iterator[Finding]:
    """Every finding, as it is made. A check that fails in a way nobody foresaw is itself a finding."""
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("python", python),
        ("packages", packages),
        ("widgets", widgets),
        ("kernel", kernel),
        ("folder", lambda: learners_folder(folder)),
        ("browser", browser),
        ("gpu", gpu),
        ("numba", numba),
        ("sandbox", sandbox),
    ]
    for name, check in checks:
        try:
            yield from check()
        except ModuleNotFoundError as error:
            yield broken(f"{name} cannot be checked: {error.name} is not installed")
        except Exception as error:  # the doctor must outlive the illness
            yield broken(f"{name}: the check itself failed ({type(error).__name__}: {error})")


def python() -> Iterator[Finding]:
    yield works(f"python {platform.python_version()} ({sys.executable}), {platform.platform(terse=True)}")


def packages() -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield works(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield broken(f"{name} not installed: {sys.executable} -m pip install {name}")


def widgets() -> Iterator[Finding]:
    """A slider needs its front end where *this* Python's JupyterLab looks for it, and switched on."""
    from jupyter_core.paths import jupyter_config_path, jupyter_path

    disabled: set[str] = set()
    for path in (Path(p) / "labconfig" / "page_config.json" for p in jupyter_config_path()):
        if path.exists():
            entries = json.loads(path.read_bytes()).get("disabledExtensions", {})
            off = entries if isinstance(entries, list) else [name for name, is_off in entries.items() if is_off]
            disabled.update(name.partition(":")[0] for name in off)
    for package, extension in WIDGETS.items():
        reinstall = f"{sys.executable} -m pip install --force-reinstall {package}"
        places = [Path(p) / extension for p in jupyter_path("labextensions")]
        found = next((place for place in places if (place / "package.json").exists()), None)
        if found is None:
            yield broken(f"{package} has no front end in this environment, sliders stay text: {reinstall}")
        elif extension in disabled:
            yield broken(f"{package} is switched off: jupyter labextension enable {extension}")
        elif not found.is_relative_to(sys.prefix):
            yield absent(f"{package} front end comes from another environment ({found}): {reinstall}")
        else:
            yield works(f"{package} front end {json.loads((found / 'package.json').read_bytes())['version']}")


def kernel() -> Iterator[Finding]:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    install = f"{sys.executable} -m ipykernel install --sys-prefix"
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        yield broken(f"kernel python3 not found: {install}")
        return
    program = spec.argv[0]
    # Jupyter reads a bare "python" as the one that runs the server.
    if program.startswith("python") or Path(program).absolute() == Path(sys.executable).absolute():
        yield works(f"kernel python3 ({spec.resource_dir})")
    else:
        yield broken(f"kernel python3 runs another Python ({program}): {install}")


def learners_folder(folder: Path) -> Iterator[Finding]:
    folder = folder.expanduser().resolve()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK):
        yield works(f"folder {folder} {'can be written to' if folder.exists() else 'can be made'}")
    else:
        yield broken(f"folder {folder} cannot be written to: dlcourse lab FOLDER with another one")


def browser() -> Iterator[Finding]:
    found = [name for name in BROWSERS if shutil.which(name)]
    installed = f" (installed: {', '.join(found)})" if found else ""
    try:
        default = webbrowser.get()
    except webbrowser.Error:  # none, or no screen to show it on
        yield absent(f"no browser opens from here{installed}: open the address that dlcourse lab prints")
    else:
        yield works(f"browser {getattr(default, 'name', type(default).__name__)}{installed}")


def gpu() -> Iterator[Finding]:
    card = _answer(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    names = ", ".join(card.splitlines()) if card is not None else None
    yield works(f"gpu {names}") if names else absent("gpu: no NVIDIA GPU answers; the course runs on NumPy")
    if find_spec("cupy") is None:
        hint = "pip install 'dlcourse[gpu]'" + ("" if names else ", on a machine with an NVIDIA GPU")
        yield absent(f"cupy not installed: {hint}")
        return
    # In another process: a driver that does not match can end the one that asks. The sum compiles a kernel.
    program = "import cupy; assert cupy.arange(4).sum() == 6; print(cupy.__version__)"
    version = _answer([sys.executable, "-c", program])
    if version:
        yield works(f"cupy {version} computes")
    else:
        yield absent(f'cupy installed but does not compute; see why: {sys.executable} -c "{program}"')


def numba() -> Iterator[Finding]:
    if find_spec("numba") is None:
        yield absent("numba not installed; it makes small networks faster: pip install 'dlcourse[fast]'")
        return
    # In another process: it takes seconds to come, and may not fit this NumPy.
    program = "import numba; assert numba.njit(lambda: 6)() == 6; print(numba.__version__)"
    version = _answer([sys.executable, "-c", program], 6 * PATIENCE)
    if version:
        yield works(f"numba {version} compiles")
    else:
        yield absent(f'numba installed but does not compile; see why: {sys.executable} -c "{program}"')


def sandbox() -> Iterator[Finding]:
    """Only grading needs it: the program that keeps a submission away from everything else."""
    if shutil.which("bwrap") is None:
        yield absent("bubblewrap not found, only grading needs it: install your system's package bubblewrap")
        return
    # The real one, with Python and NumPy in it; its name is all that is known of grading here.
    done = _run([sys.executable, "-m", "dlcourse.grading.sandbox"])
    if done is None or done.returncode:
        why = done.stdout.strip() if done else "it does not answer"
        yield absent(f"the sandbox does not start, only grading needs it: {why}")
    else:
        yield works(done.stdout.strip())


def _answer(argv: list[str], seconds: float = PATIENCE) -> str | None:
    """What a program prints, or None where it is absent, fails or keeps us waiting."""
    done = _run(argv, seconds)
    return done.stdout.strip() if done and done.returncode == 0 else None


def _run(argv: list[str], seconds: float = PATIENCE) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
