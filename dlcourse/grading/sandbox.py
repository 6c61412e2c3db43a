"""Where a worker runs: bubblewrap, with nothing in it but Python, NumPy and a few files of ours.

No network, no home, no other processes, no shell; everything read-only, /tmp too; an empty environment; limits on time,
memory, files and processes. Under root the worker gets a user id that nobody else has; an ordinary user has
one of their own mapped to nobody. `python -m dlcourse.grading.sandbox` says whether it works here.
"""

import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse.grading import memory, seccomp
from dlcourse.workspace import UserError

PACKAGE = Path(__file__).resolve().parent.parent
FILES = (
    "checks/runner.py", "checks/plain.py", "checks/faults.py", "checks/clock.py", "checks/cells.py", "checks/tools.py",
    "grading/worker.py", "grading/frames.py", "grading/rebuild.py", "grading/absent.py",
)  # fmt: skip
INSIDE, OURS, PYTHON = "/grading", "/grading/dlcourse", "/python"
SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")
ENVIRONMENT = {
    "PATH": "/nowhere", "HOME": "/tmp", "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1", "LD_LIBRARY_PATH": "/python/lib",
}  # fmt: skip

# Before bubblewrap is there: of all processes the kernel shall end this one first when memory runs out, a process has
# an end to its time that nothing in the sandbox can move, and all that it uses counts in a group of its own.
FIRST = """
echo 1000 > /proc/self/oom_score_adj
ulimit -t "$1"
if [ "$2" ]; then echo $$ > "$2/cgroup.procs" || exit 1; fi
shift 2
exec "$@"
"""


class NoSandbox(UserError):
    """Code of strangers cannot be run safely here; the message says what to do."""


@dataclass(frozen=True)
class Limits:
    """What a submission may use. Seconds of the clock; a process that ignores its own clock is killed at the next."""

    seconds: float = 5.0  # for the calls of one exercise
    cells: float = 10.0  # for running all cells of a notebook
    total: float = 90.0  # for one notebook, everything together
    memory: int = 1 << 30
    disk: int = 16 << 20
    answer: int = 1 << 22  # bytes of one answer
    answers: int = 1 << 24  # of all that one worker sends
    grace: float = 1.0

    def resources(self) -> dict[str, int]:
        return {"AS": self.memory, "FSIZE": self.disk, "NOFILE": 32, "NPROC": 0, "CORE": 0}

    @property
    def processor(self) -> int:
        return int(self.total) + 5


def keep_private() -> None:
    """Not even another process of the same user may read this one's memory any more (PR_SET_DUMPABLE)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)


@dataclass(frozen=True)
class Sandbox:
    """safe=False runs the worker without any: only for one's own code."""

    limits: Limits = Limits()
    safe: bool = True

    @contextlib.contextmanager
    def start(self, library: bool = False) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
        """A worker, its standard input and output open, and its group; dead at the end, with all that it started."""
        with memory.group(self.limits.memory if self.safe else 0) as group:
            with filter_file() as descriptor:
                command = self.command(library, descriptor, group)
                passed = [descriptor] if self.safe and descriptor is not None else []
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
                    env={} if self.safe else ENVIRONMENT, cwd="/", pass_fds=passed, start_new_session=True,
                )  # fmt: skip
            try:
                yield process, group
            finally:
                process.kill()
                for pipe in (process.stdin, process.stdout):
                    if pipe:
                        pipe.close()
                process.wait()

    def command(self, library: bool = False, filter_descriptor: int | None = None, group: str = "") -> list[str]:
        options = ["-I", "-S", "-B", "-X", "utf8"]
        if not self.safe:
            path = [str(PACKAGE.parent), str(Path(np.__path__[0]).parent)]
            return [python_binary(), *options, str(PACKAGE / "grading/worker.py"), self.settings(path, library)]
        python = shown_places()[python_binary()]
        worker = [python, *options, f"{OURS}/grading/worker.py", self.settings([INSIDE], library)]
        filters = [] if filter_descriptor is None else ["--seccomp", str(filter_descriptor)]
        sandbox = [*bubblewrap(), *self.mounts(library), *filters, "--", *dropped_privileges(), *worker]
        return ["/bin/sh", "-c", FIRST, "sh", str(self.limits.processor), group, *sandbox]

    def settings(self, path: list[str], library: bool) -> str:
        names = ["dlcourse"] if library else []
        limits = self.limits.resources()
        if not self.safe:
            del limits["NPROC"]  # there it would count everything this user runs
            limits["CPU"] = self.limits.processor
        return json.dumps({"limits": limits, "path": path, "library": names, "largest": self.limits.answer})

    def mounts(self, library: bool) -> list[str]:
        places = shown_places()
        refuse_leaks(places)
        arguments = [*small("/"), *folders("/usr", "/etc", "/dev", PYTHON, f"{PYTHON}/bin", INSIDE)]
        for outside, inside in places.items():
            arguments += mounted(outside, inside)
        covered = list(other_packages(places).values())
        covered += [f"{OURS}/checks", f"{OURS}/grading"] if library else []
        for folder in numpy_folders():
            arguments += ["--ro-bind", str(folder), f"{INSIDE}/{folder.name}"]
        arguments += (
            ["--ro-bind", str(PACKAGE), OURS] if library else folders(OURS, f"{OURS}/checks", f"{OURS}/grading")
        )
        for place in covered:
            arguments += small(place)
        for file in FILES:
            arguments += ["--ro-bind", str(PACKAGE / file), f"{OURS}/{file}"]
        if os.geteuid() == 0:
            arguments += ["--ro-bind", setpriv(), "/setpriv"]
        for device in ("/dev/null", "/dev/urandom"):
            arguments += ["--dev-bind", device, device]
        # /tmp is there and read-only, as everything is: a size would leave the number of empty files without a limit.
        arguments += [*folders("/tmp"), "--chdir", "/tmp"]
        return arguments + [word for place in [*covered, "/"] for word in ("--remount-ro", place)]


def bubblewrap() -> list[str]:
    program = shutil.which("bwrap")
    if program is None:
        raise NoSandbox(
            "Grading must run strangers' code in a sandbox; got no program bwrap. Install your system's package"
            " bubblewrap (apt install bubblewrap), or grade on a machine or in a container that has it."
        )
    rooms = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-cgroup-try"]
    rooms += ["--unshare-uts", "--hostname", "grading"]
    if os.geteuid() != 0:
        rooms += ["--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"]
    alone = ["--die-with-parent", "--new-session", "--clearenv"]
    environment = [word for name, value in ENVIRONMENT.items() for word in ("--setenv", name, value)]
    return [program, *rooms, *alone, *environment]


def dropped_privileges() -> list[str]:
    """Under root: the id of this process, moved to where no user is, so that no two workers share one."""
    if os.geteuid() != 0:
        return []
    nobody = str(1_700_000_000 + os.getpid())
    words = ["--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    return ["/setpriv", f"--reuid={nobody}", f"--regid={nobody}", *words, "--"]


def setpriv() -> str:
    program = shutil.which("setpriv")
    if program is None:
        raise NoSandbox(
            "Grading must not run strangers' code as root; got no program setpriv to drop it. Grade as an ordinary"
            " user, or install the package util-linux."
        )
    return os.path.realpath(program)


def folders(*names: str) -> list[str]:
    """Said in full, for those that bubblewrap makes by itself are closed to everybody but root."""
    return [word for name in names for word in ("--perms", "0755", "--dir", name)]


def small(place: str) -> list[str]:
    """Over a place that shall be empty, but for what is put there; it becomes read-only when all is there."""
    return ["--perms", "0755", "--size", str(1 << 16), "--tmpfs", place]


def mounted(outside: str, inside: str) -> list[str]:
    if os.path.islink(outside):
        return ["--symlink", os.readlink(outside), inside]
    return ["--ro-bind", outside, inside] if os.path.exists(outside) else []


def python_binary() -> str:
    """The interpreter itself, not a virtual environment's link to it."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable) or sys.executable)


def shown_places() -> dict[str, str]:
    """The system's libraries and Python's own, and where they stand inside."""
    places = {place: place for place in SYSTEM}
    binary, lib = python_binary(), os.path.realpath(os.path.join(sys.base_prefix, "lib"))
    return (
        {**places, binary: binary}
        if lib == "/usr/lib"
        else {**places, binary: f"{PYTHON}/bin/python", lib: f"{PYTHON}/lib"}
    )


def numpy_folders() -> list[Path]:
    numpy = Path(np.__path__[0])
    beside = numpy.with_name("numpy.libs")
    return [numpy, beside] if beside.is_dir() else [numpy]


def other_packages(places: Mapping[str, str]) -> dict[str, str]:
    """Every folder of installed packages that would come along with Python's own library. One may hold the answers."""
    found = {}
    for outside, inside in places.items():
        if not os.path.islink(outside):
            for kind in ("site", "dist"):
                paths = [path for path in Path(outside).glob(f"python*/{kind}-packages") if not path.is_symlink()]
                found.update({str(path): f"{inside}/{path.relative_to(outside)}" for path in paths})
    return found


def refuse_leaks(places: Mapping[str, str]) -> None:
    shown, hidden = ([Path(os.path.realpath(p)) for p in each] for each in (places, other_packages(places)))
    seen = any(PACKAGE.is_relative_to(place) for place in shown)
    if seen and not any(PACKAGE.is_relative_to(place) for place in hidden):
        raise NoSandbox(
            f"Grading must keep the answers out of the sandbox; got dlcourse in {PACKAGE}, among the system's own"
            " libraries. Install it in a virtual environment."
        )


@contextlib.contextmanager
def filter_file() -> Iterator[int | None]:
    """The filter for system calls, as bubblewrap wants it: an open file."""
    program = seccomp.program()
    if not program:
        yield None
        return
    with tempfile.TemporaryFile() as file:
        file.write(program)
        file.seek(0)
        import fcntl

        # Where standard input is closed, its number is free, and the worker needs that itself.
        descriptor = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 3)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def why_not(sandbox: Sandbox) -> str:
    """ "" where a worker starts and answers; else what stands in the way."""
    from dlcourse.grading.worker_process import Process

    try:
        with Process(sandbox):
            return ""
    except NoSandbox as error:
        try:
            return str(error).partition(". `")[0] + first_words(sandbox)
        except NoSandbox:  # there is no program to ask
            return str(error)


def first_words(sandbox: Sandbox) -> str:
    with filter_file() as descriptor:
        command = sandbox.command(False, descriptor)
        given: dict[str, Any] = {"pass_fds": [descriptor] if descriptor is not None else []}
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, **given)
    said = (done.stderr.strip().splitlines() or ["it ends without a word"])[-1][:200]
    return (
        f": {said}. bubblewrap 0.8 or newer must be allowed to make namespaces: in a container, run it privileged or"
        " grade outside; under AppArmor, allow user namespaces to bwrap."
    )


if __name__ == "__main__":
    problem = why_not(Sandbox())
    print(problem or f"bubblewrap makes sandboxes for grading; {memory.in_words()}")
    sys.exit(bool(problem))
