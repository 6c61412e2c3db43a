"""What a learner installs: the wheel, in an environment that never saw the checkout, starts the course."""

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dlcourse import __version__

ROOT = Path(__file__).parent.parent
PATIENCE = 60  # seconds; only a failing test waits that long


def within_patience(attempt: Callable[[], Any]) -> Any:
    """The first true answer; polls, because a server tells nobody when it is ready."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := attempt()):
        assert time.monotonic() < deadline, f"still waiting after {PATIENCE} s"
        time.sleep(0.05)
    return answer


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    # -P: a folder named build/ in the checkout must not be taken for the package.
    call = [sys.executable, "-P", "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The folder of scripts of an environment that holds the wheel alone and borrows the rest.

    Fetching JupyterLab and its hundred friends anew would need a network and minutes and test nothing of ours. A .pth
    file lends the present packages instead. Python does not follow .pth files found there, so an editable install of
    this checkout stays out of sight: only the wheel can provide `dlcourse`.
    """
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=True)
    paths = sysconfig.get_paths("venv", vars={"base": str(home), "platbase": str(home)})
    scripts = Path(paths["scripts"])
    subprocess.run([scripts / "python", "-m", "pip", "install", "--no-deps", "--no-index", "-q", wheel], check=True)
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (Path(paths["purelib"]) / "borrowed.pth").write_text("\n".join(sorted(borrowed)))
    return scripts


def test_wheel_carries_the_notebooks_and_no_solutions(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    notebooks = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    prefix = "dlcourse/_content/notebooks/"
    assert notebooks
    assert {name.removeprefix(prefix) for name in names if name.startswith(prefix)} >= notebooks
    exercises = {f"dlcourse/_content/{p.relative_to(ROOT).as_posix()}" for p in (ROOT / "exercises").glob("*/*.ipynb")}
    assert exercises
    assert exercises <= set(names)
    assert not [name for name in names if name.endswith(".ipynb") and b"SOLUTION" in zipfile.ZipFile(wheel).read(name)]
    assert not [name for name in names if "solutions" in name or name.startswith(("tests", "notebooks", "exercises"))]
    assert {name.split("/")[0] for name in names} == {"dlcourse", f"dlcourse-{__version__}.dist-info"}


def test_installed_command_is_the_wheels(installed, tmp_path):
    program = "import dlcourse.workspace as w; print(w.shipped_root())"
    found = subprocess.check_output([installed / "python", "-c", program], text=True, cwd=tmp_path).strip()
    assert Path(found).is_relative_to(installed.parent.resolve())
    version = subprocess.check_output([installed / "dlcourse", "--version"], text=True, cwd=tmp_path)
    assert version == f"dlcourse {__version__}\n"


@pytest.fixture
def lab(installed, tmp_path) -> Iterator[subprocess.Popen[str]]:
    """`dlcourse lab --no-browser` with a home of its own, so that nobody's Jupyter settings matter."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    home = {"HOME": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
    call = [installed / "dlcourse", "lab", "mine", "--no-browser"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(call, cwd=tmp_path, env=clean | home, stdout=log, stderr=log, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def get(url: str, token: str | None = None) -> bytes:
    request = urllib.request.Request(url, headers={"Authorization": f"token {token}"} if token else {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=PATIENCE) as answer:
        return answer.read()


def test_installed_lab_serves_the_notebooks_behind_a_token_and_ends_on_ctrl_c(lab, tmp_path):
    record = tmp_path / "runtime" / f"jpserver-{lab.pid}.json"

    def started() -> dict[str, Any] | None:
        assert lab.poll() is None, (tmp_path / "log").read_text()
        try:
            return json.loads(record.read_text())
        except (FileNotFoundError, json.JSONDecodeError):  # not yet, or half-written
            return None

    info = within_patience(started)
    assert info["hostname"] == "127.0.0.1"
    assert info["root_dir"] == str((tmp_path / "mine").resolve())
    assert len(info["token"]) >= 32

    listing = json.loads(get(f"{info['url']}api/contents/notebooks", info["token"]))
    assert "00_start.ipynb" in {entry["name"] for entry in listing["content"]}
    page = get(f"{info['url']}lab/tree/notebooks/00_start.ipynb", info["token"]).decode()
    switched_off = re.search(r'"disabledExtensions": \[.*?\]', page)
    assert switched_off
    assert "announcements" in switched_off[0]
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(f"{info['url']}api/contents/notebooks")
    assert refused.value.code == 403

    lab.send_signal(signal.SIGINT)
    assert lab.wait(PATIENCE) == 0
