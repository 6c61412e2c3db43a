"""The gate of an exercise: wrong answers are made by machine, and its check must refuse them all.

    python -m dlcourse.checks.gate                               every exercise of the course
    python -m dlcourse.checks.gate adam_step dropout             some
    python -m dlcourse.checks.gate lecture.py                    those of a file of your own
    options: --draws 1000 (fresh inputs for every mutant) --jobs 2 --seed 0 --solutions FOLDER

A mutant that the check takes for right more often than once in a thousand draws survives: the inputs of the exercise do
not tell it from the right answer. Mend them, or list it in `equal` with the reason why nothing can tell the two apart.

operators    the ways to spoil a line
laws         other laws with the same mean and deviation
program      a right answer's source
sources      mutants of it
around       mutants of its arguments and outputs
trial        all of it for one exercise
"""

from dlcourse.checks.gate.trial import Result, try_exercise

__all__ = ["Result", "try_exercise"]
