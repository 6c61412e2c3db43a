"""How long a learner waits for a check, beyond the time of their own code: `python benchmarks/checks.py`.

For every exercise: the median of five checks of a right answer and of each known mistake, less the time that the
answer itself takes on such inputs.
"""

import statistics
import time

from common import heading  # first: it sets the threads

# isort: split
import numpy as np

import dlcourse as dl
from dlcourse.checks import Exercise, exercises
from dlcourse.checks.runner import opened

ROUNDS = 5


def own_time(exercise, function) -> float:
    calls = [[opened(value) for value in call] for call in exercise.calls(np.random.default_rng(0))]
    start = time.perf_counter()
    with np.errstate(all="ignore"):
        for call in calls:
            function(*call)
    return time.perf_counter() - start


def waiting(exercise, function) -> float:
    """Median seconds of a check less those of the learner's function."""
    taken = []
    for _ in range(ROUNDS):
        own = own_time(exercise, function)
        start = time.perf_counter()
        report = dl.check(exercise.name, function)
        repr(report), report._repr_html_()
        taken.append(time.perf_counter() - start - own)
    return statistics.median(taken)


def main() -> None:
    heading("From a check to its answer")
    start = time.perf_counter()
    coded = [entry for entry in exercises().values() if isinstance(entry, Exercise)]
    print(f"first check: the tables are read in {1e3 * (time.perf_counter() - start):.0f} ms")
    rows = []
    for exercise in coded:
        wrong = [waiting(exercise, mistake) for mistake in exercise.mistakes.values()]
        rows.append((1e3 * waiting(exercise, exercise.reference), 1e3 * max(wrong), exercise.name))
    print("\n| ms beyond the own code | right | slowest mistake |\n| --- | --: | --: |")
    for right, wrong, name in sorted(rows, key=lambda row: -row[1]):
        print(f"| {name} | {right:.1f} | {wrong:.1f} |")
    rights, wrongs = [r for r, _, _ in rows], [w for _, w, _ in rows]
    print(f"| **median of all** | **{statistics.median(rights):.1f}** | **{statistics.median(wrongs):.1f}** |")
    print(f"| **slowest; the aim is below 100** | **{max(rights):.1f}** | **{max(wrongs):.1f}** |")


if __name__ == "__main__":
    main()
