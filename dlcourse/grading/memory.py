"""A group of the kernel's (cgroup) for each worker, where one can be had: it counts memory of every kind.

A limit to a process counts what it maps. A group counts the kernel's own memory for it, too: buffers of pipes, tables
of pages, files in memory. Root can make groups; an ordinary user where the system has given one away, as systemd does
for all that runs under `systemd-run --user --scope`. Where none can be had, `dlcourse doctor` says so.
"""

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
NUMBERS = itertools.count()
LIMITS = {  # by the version of groups: how much, and nothing more on a disk
    1: {"memory.limit_in_bytes": 1, "memory.memsw.limit_in_bytes": 1},
    2: {"memory.max": 1, "memory.swap.max": 0, "memory.oom.group": 0},
}


@contextlib.contextmanager
def group(limit: int) -> Iterator[str]:
    """The folder of a new group with that many bytes at most; "" where there is none, or no limit is wanted."""
    found = place() if limit else None
    if found is None:
        yield ""
        return
    version, above = found
    folder = above / f"dlcourse-{os.getpid()}-{next(NUMBERS)}"
    try:
        folder.mkdir()
        restrict(folder, version, limit)
    except OSError:
        remove(folder)
        yield ""
        return
    try:
        yield str(folder)
    finally:
        remove(folder)


def restrict(folder: Path, version: int, limit: int) -> None:
    for name, share in LIMITS[version].items():
        with contextlib.suppress(FileNotFoundError):  # a system without swap counts none
            (folder / name).write_text(str(limit * share))


def remove(folder: Path) -> None:
    """Empty within moments of the end of its last process."""
    for _ in range(50):
        with contextlib.suppress(FileNotFoundError):
            try:
                folder.rmdir()
            except OSError:
                time.sleep(0.01)
                continue
        return


@cache
def place() -> tuple[int, Path] | None:
    """The version of groups, and the nearest folder in which one can be made for a process of ours."""
    for version, own in own_groups():
        for folder in (own, *own.parents) if version == 1 else own.parents:
            if not folder.is_relative_to(ROOT):
                break
            if can_hold(folder, version):
                return version, folder
    return None


def own_groups() -> Iterator[tuple[int, Path]]:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            if not kinds:
                yield 2, ROOT / path.lstrip("/")
            elif "memory" in kinds.split(","):
                yield 1, ROOT / "memory" / path.lstrip("/")


def can_hold(folder: Path, version: int) -> bool:
    """Tried, with a group that is there for a moment."""
    trial = folder / f"dlcourse-trial-{os.getpid()}"
    try:
        if version == 2 and "memory" not in (folder / "cgroup.subtree_control").read_text().split():
            return False
        if not os.access(folder / "cgroup.procs", os.W_OK):  # or no process could be moved from here
            return False
        trial.mkdir()
        restrict(trial, version, 1 << 30)
        return any((trial / name).exists() for name in LIMITS[version])
    except OSError:
        return False
    finally:
        remove(trial)


def killed(folder: str) -> bool:
    """Has a process of this group been ended because the group was full?"""
    for name, word in (("memory.events", "oom_kill"), ("memory.oom_control", "oom_kill")):
        with contextlib.suppress(OSError):
            for line in (Path(folder) / name).read_text().splitlines():
                key, _, count = line.partition(" ")
                if key == word:
                    return count.strip() != "0"
    return False


def in_words() -> str:
    if place():
        return "a memory cgroup counts all that each worker uses"
    return (
        "no memory cgroup can be had here, so a worker's memory is what it maps, and the kernel's own for it is not"
        " counted (as an ordinary user, try: systemd-run --user --scope -p Delegate=yes dlcourse grade …)"
    )
