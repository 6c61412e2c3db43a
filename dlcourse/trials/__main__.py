"""python -m dlcourse.trials [NAME …] [--fresh SEED] [--designs N] [--jobs N]

Without --fresh it makes the stored results. With it nothing is stored: one line a trial says what other designs find,
and the exit status is 1 if a verdict differs from the stored one.
"""

import argparse
import os
import sys
import warnings
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from dlcourse.settings import SettingError, check, count, whole
from dlcourse.sweeps import Failure, sweep
from dlcourse.trials import TRIALS, Trial, results, trial
from dlcourse.trials.engine import STORED_SEED, timed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m dlcourse.trials", description="Try the course's claims anew.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a trial; all if there is none")
    parser.add_argument("--fresh", type=int, metavar="SEED", help="other designs; nothing is stored")
    parser.add_argument("--designs", type=int, metavar="N", help="how many (36 is the least for a verdict)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes; one for each core")
    given = parser.parse_args(arguments)
    try:
        chosen = [trial(name) for name in given.names or TRIALS]
        check("trials.jobs", count, given.jobs, "One for each core is usual.")
        for name, rule in {"fresh": whole, "designs": count}.items():
            if getattr(given, name) is not None:
                check(f"trials.{name}", rule, getattr(given, name), "36 designs or more give a verdict.")
        if given.fresh is None and given.designs is not None:
            raise SettingError(
                "--designs goes with --fresh SEED: stored results have the designs that the trial names."
            )
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # for the processes: each has a core of its own
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as executor:
        return try_all(chosen, executor, given.fresh, given.designs)


def try_all(chosen: list[Trial], executor: Executor, fresh: int | None, designs: int | None) -> int:
    """One line a trial; 1 if one of them differs from what is stored, or could not be tried at all."""
    seed = STORED_SEED if fresh is None else fresh
    tasks: list[dict[str, Any]] = [
        {"name": one.name, "design": one.design(seed, number)}
        for one in chosen
        for number in range(designs or one.designs)
    ]
    with warnings.catch_warnings(action="ignore"):  # what failed is reported below, trial by trial
        found = sweep(timed, tasks, executor=executor, progress=True)
    status = 0
    for one in chosen:
        mine = [number for number, task in enumerate(tasks) if task["name"] == one.name]
        status |= report(
            one, [tasks[number]["design"] for number in mine], [found[number] for number in mine], fresh is None
        )
    return status


def report(one: Trial, designs: list[dict[str, Any]], found: list[Any], store: bool) -> int:
    """Print its line, and what failed; keep it if it is to be stored."""
    kept = [(design, each) for design, each in zip(designs, found, strict=True) if not isinstance(each, Failure)]
    failed = [each for each in found if isinstance(each, Failure)]
    for each in failed[:3]:
        print(f"{one.name}: {each}", file=sys.stderr)
    if not kept:
        print(f"{one.name}: all {len(failed)} designs failed")
        return 1
    outcome = one.judge(designs, [each if isinstance(each, Failure) else each[0] for each in found])
    differs = False
    if store:
        effects, seconds = [each[0] for _, each in kept], [each[1] for _, each in kept]
        results.save(one, [design for design, _ in kept], effects, outcome, sum(seconds) / len(seconds))
    else:
        differs = outcome.differs_from(one.stored.outcome)
    print(f"{one.name}: {outcome}" + (f"; differs from the stored {one.stored.outcome.verdict}" if differs else ""))
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())
