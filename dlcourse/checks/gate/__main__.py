"""The command: see gate/__init__.py."""

import argparse
import runpy
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.gate.trial import MASTERS, Result, try_exercise
from dlcourse.checks.tables import exercises


def chosen(names: list[str]) -> dict[str, str]:
    """Names of exercises, each with the file it stands in, "" for the course's own."""
    table = {name: "" for name, entry in exercises().items() if isinstance(entry, Exercise)}
    if not names:
        return table
    found: dict[str, str] = {}
    for name in names:
        if name.endswith(".py"):
            found |= {entry.name: name for entry in exercises_in(name).values()}
        elif name in table:
            found[name] = ""
        else:
            raise SystemExit(f"EXERCISE must be the name of one or a file of them; got {name!r}.")
    return found


def exercises_in(file: str) -> dict[str, Exercise]:
    values = runpy.run_path(file).values()
    return {entry.name: entry for entry in values if isinstance(entry, Exercise)}


def try_one(name: str, file: str, draws: int, seed: int, solutions: Path) -> Result:
    entry = exercises_in(file)[name] if file else exercises()[name]
    assert isinstance(entry, Exercise)
    return try_exercise(entry, draws, seed, solutions)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dlcourse.checks.gate", description="Try the checks on mutants.")
    parser.add_argument("names", nargs="*", metavar="EXERCISE")
    parser.add_argument("--draws", type=int, default=100, help="fresh inputs for every mutant; 1000 before a release")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--solutions", type=Path, default=MASTERS)
    given = parser.parse_args()
    wanted = chosen(given.names)
    work = partial(try_one, draws=given.draws, seed=given.seed, solutions=given.solutions)
    passed, count = True, 0
    with ProcessPoolExecutor(given.jobs) as pool:
        for result in (pool.map if given.jobs > 1 else map)(work, wanted, wanted.values()):
            print(result, flush=True)
            passed, count = passed and result.passed, count + result.mutants
    print(
        f"{count} mutants of {len(wanted)} exercises, {given.draws} draws: {'all refused' if passed else 'SURVIVORS'}"
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
