"""Exercises that say which mistake it is. `dl.check("momentum_step", momentum_step)` in a notebook.

exercise     what an exercise is: one entry of a table
start …      the tables, one file a chapter or family; tables finds them, and a lecturer's own file
clock        the time a call may take, with or without threads and signals
plain        whatever came back, as plain data
faults       what went wrong in a learner's function, in a true sentence
runner       calls the learner's function and survives whatever it does; knows no right answers
cells        a notebook's cells, and after which of them an exercise is answered
forms        the form of an answer, and how far it is from the right one
judge        from plain answers to a report: properties, right values
naming       … and the known mistake
laws         are draws those of a law? For tables of what is left to chance
regimes      where a curve is wrong
show         inputs and answers in words
curves       a wrong curve beside the right one
report       the report, for a screen, a page and a program
questions    questions answered by looking, on data of one's own
reach        what an answer is made of, touch: what it reaches for
checking     all of it, here and now, in the learner's notebook
progress     what is solved, in a plain file
notebook     `dlcourse check NOTEBOOK`: the checks of a whole notebook, from a shell
"""

from dlcourse.checks.checking import check, inputs
from dlcourse.checks.exercise import Exercise, Question
from dlcourse.checks.judge import judge
from dlcourse.checks.questions import question
from dlcourse.checks.report import Finding, Report
from dlcourse.checks.tables import exercises

__all__ = ["Exercise", "Finding", "Question", "Report", "check", "exercises", "inputs", "judge", "question"]
