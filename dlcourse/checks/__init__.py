"""Exercises that say which mistake it is. `dl.check("momentum_step", momentum_step)` in a notebook.

exercise     what an exercise is: one entry of a table
start …      the tables, one file a chapter or family
runner       calls the learner's function and survives whatever it does; knows no right answers
judge        from plain answers to a report: properties, right values, the known mistake
laws         are draws those of a law? For tables of what is left to chance
report       the report, for a screen, a page and a program
questions    questions answered by looking, on data of one's own
checking     all of it, here and now, in the learner's notebook
progress     what is solved, in a plain file
notebook     `dlcourse check NOTEBOOK`: the checks of a whole notebook, from a shell
"""

from dlcourse.checks.checking import check
from dlcourse.checks.exercise import Exercise, Question
from dlcourse.checks.judge import judge
from dlcourse.checks.questions import question
from dlcourse.checks.report import Finding, Report
from dlcourse.checks.tables import exercises

__all__ = ["Exercise", "Finding", "Question", "Report", "check", "exercises", "judge", "question"]
