"""What the benchmarks share: one core, candidates in turn, medians, and where the figures were taken."""

import gc
import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import PackageNotFoundError, version

THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
os.environ.update(THREADS)  # before NumPy is imported: a slider's products are too small to be shared out


def one_core() -> None:
    """Some libraries listen to no other word about threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def in_turn(
    candidates: dict[str, Callable[[], object]], rounds: int = 15, seconds: float = float("inf")
) -> dict[str, float]:
    """Median milliseconds of each, run in rounds so that a drift of the machine hits all alike.

    Each round has an order of its own: behind a compiler that has emptied the caches anybody is slow, and nobody is
    to stand there always. One that has had its `seconds`, and three rounds, sits out the rest.
    """
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    for job in candidates.values():
        job()
        job()
    gc.collect()
    gc.disable()
    shuffled = random.Random(0)
    for _ in range(rounds):
        for name, job in shuffled.sample(list(candidates.items()), len(candidates)):
            if len(taken[name]) >= 3 and sum(taken[name]) > 1e3 * seconds:
                continue
            start = time.perf_counter()
            job()
            taken[name].append((time.perf_counter() - start) * 1e3)
    gc.enable()
    return {name: statistics.median(times) for name, times in taken.items()}


def report(title: str, medians: dict[str, float], ours: str) -> None:
    print(f"\n{title}")
    for name, ms in sorted(medians.items(), key=lambda pair: pair[1]):
        print(f"  {name:<44}{ms:10.2f} ms   {ms / medians[ours]:6.2f} × {ours}")


def heading(title: str, *packages: str) -> None:
    """The first lines of a report: what, when, and on what."""
    print(f"# {title}\n\n{date.today()}: {machine(*packages)}", flush=True)


def table(title: str, medians: dict[str, float], ours: str, notes: dict[str, str] | None = None) -> None:
    """The fastest first."""
    titles, rule = ("", "ms", f"× {ours}"), ("---", "--:", "--:")
    print(f"\n## {title}\n")
    for row in (titles, rule) if notes is None else ((*titles, "losses"), (*rule, "---")):
        print(f"| {' | '.join(row)} |")
    for name, ms in sorted(medians.items(), key=lambda pair: pair[1]):
        note = [] if notes is None else [notes.get(name, "")]
        print(f"| {' | '.join([name, f'{ms:.2f}', f'{ms / medians[ours]:.2f}', *note])} |", flush=True)


def machine(*packages: str) -> str:
    found = []
    for package in ("numpy", *packages):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    python = f"Python {platform.python_version()}"
    return f"{platform.machine()}, {os.cpu_count()} cores, {python}, {', '.join(found)}, 1 thread"
