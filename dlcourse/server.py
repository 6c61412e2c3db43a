"""JupyterLab over the learner's folder: on this machine only, behind its random token, without outside requests."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from dlcourse.kernel import ENVIRONMENT
from dlcourse.workspace import START_PAGE, UserError

HOST = "127.0.0.1"
# JupyterLab settings that switch off what asks for the outside world: news, update checks, the extension catalogue.
OFFLINE = Path(__file__).resolve().parent / "_jupyter"


def command(folder: Path, *, browser: bool = True, port: int | None = None) -> list[str]:
    """The call that starts JupyterLab; its token stays Jupyter's own, which no other user can read off this line."""
    return [
        sys.executable,
        "-P",  # a learner's numpy.py in the present folder must not shadow the real one
        "-m",
        "jupyterlab",
        f"--ServerApp.ip={HOST}",
        f"--ServerApp.root_dir={folder}",
        "--ServerApp.answer_yes=True",  # one Ctrl-C ends it
        "--Application.log_level=ERROR",  # leaves the address, which is what a learner looks for
        f"--LabApp.default_url=/lab/tree/{START_PAGE}",
        *([] if browser else ["--no-browser"]),
        *([] if port is None else [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]),
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),  # containers
    ]


def environment() -> dict[str, str]:
    """The server's environment, which its kernels inherit; what is set already stays."""
    config_path = [str(OFFLINE), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    return ENVIRONMENT | os.environ | {"JUPYTER_CONFIG_PATH": os.pathsep.join(config_path)}


def check(port: int | None) -> None:
    """Raise UserError where the server could not start anyway."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise UserError(
            f"dlcourse lab must find JupyterLab beside this Python; got python={sys.executable}. "
            f"Install it: {sys.executable} -m pip install jupyterlab."
        )
    if port is not None and not _is_free(port):
        raise UserError(
            f"--port must be a free port of this machine from 1024 to 65535; got port={port}. "
            "Give another one, or none to take the next that is free."
        )


def run(folder: Path, *, browser: bool = True, port: int | None = None) -> NoReturn:
    """Become the server: Ctrl-C, signals and the exit code are then Jupyter's own."""
    argv = command(folder, browser=browser, port=port)
    sys.stdout.flush()
    if os.name == "posix":
        os.execve(argv[0], argv, environment())
    server = subprocess.Popen(argv, env=environment())  # Windows cannot replace a process
    while True:
        try:
            sys.exit(server.wait())
        except KeyboardInterrupt:
            continue  # the server got it too and is shutting down


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name == "posix":  # as the server does: a port that has just been closed counts as free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):  # taken, not ours to take, or no port number
            return False
    return True
