"""The machine room. A training step is recorded once and then replayed, so that layers may be plain formulas.

    program     a step written down: arrays, and the operations that make one from others
    arrays      arrays that compute as NumPy's do and write down what they were asked
    rehearsal   one step on such arrays
    rewrites    other operations for the same numbers, faster
    replay      a program on NumPy: a loop over bound calls into arrays that are kept
    step        TrainingStep: recorded, compared, replayed; or plain, where that cannot be
    listing     operations(network, loss, x, y): the program of a step, to read

A reader of the course never needs to come here, and a reader's own layers profit without knowing.
"""

from dlcourse.recording.listing import operations
from dlcourse.recording.step import TrainingStep

__all__ = ["TrainingStep", "operations"]
