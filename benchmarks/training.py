"""Slider-sized training jobs beside other libraries: `python benchmarks/training.py [a b c h d] [torch jax …]`

jobs.py says what the jobs are, peers/ how each library does them. What is not installed is left out and named.
"""

import sys

from common import heading, in_turn, one_core, table  # first: it sets the threads

# isort: split
import numpy as np
from jobs import JOBS, by_numba
from peers import PACKAGES, installed

from dlcourse import backend

OURS, COMPILED = "dlcourse", "dlcourse, Numba"


def agreement(ours, theirs):
    """How far the losses are from ours, at most; or their mean, if that is all there is."""
    if theirs is None:
        return "from a start of its own"
    if theirs.size != ours.size:
        ours = ours.mean()
    return f"ours within {np.abs(ours - theirs).max():.0e}"


def measure(job, peers, rounds=15, seconds=6.0):
    """Medians, and what each candidate's losses are to ours."""
    candidates, notes, ours = {OURS: job.ours}, {}, job.ours()
    if job.optimizer and not backend.why_no_numba():
        run = candidates[COMPILED] = by_numba(job.ours)
        notes[COMPILED] = agreement(ours, run())
    for peer in peers:
        for name, run in peer.candidates(job):
            try:
                notes[name] = agreement(ours, run())
                candidates[name] = run
            except Exception as error:  # another library's trouble is no reason to stop
                print(f"{name}: not measured, {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
    return in_turn(candidates, rounds, seconds), notes


if __name__ == "__main__":
    one_core()
    wanted = sys.argv[1:]
    peers = installed([name for name in wanted if name not in JOBS] or None)
    heading("Slider-sized training jobs", *PACKAGES.values())
    print("\nMedian milliseconds of a whole job, and how many times ours. The candidates take turns, on one core.")
    for name in [name for name in wanted if name in JOBS] or JOBS:
        job = JOBS[name]()
        medians, notes = measure(job, peers)
        table(job.title, medians, OURS, notes)
