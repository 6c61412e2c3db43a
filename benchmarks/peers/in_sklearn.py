"""scikit-learn: MLPClassifier, as many steps of the same size from a start and in an order of its own."""

import warnings

from jobs import Statistics
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

import dlcourse as dl
from dlcourse.layers import BatchNorm, Conv2D


def candidates(job):
    if isinstance(job, Statistics) or job.has(Conv2D):
        return
    rule = {"solver": "adam"}
    if isinstance(job.optimizer, dl.Momentum):
        rule = {"solver": "sgd", "momentum": job.optimizer.momentum, "nesterovs_momentum": False}
    rule |= {"learning_rate_init": job.optimizer.learning_rate, "batch_size": job.batch_size, "max_iter": job.epochs}
    never = {"tol": 0, "n_iter_no_change": 10**6, "alpha": 0}  # no early end, no penalty
    whole = len(job.data) // job.batch_size * job.batch_size
    x, y = job.data.x[:whole], job.data.y[:whole]

    def run():
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            MLPClassifier(job.units[:-1], random_state=0, **rule, **never).fit(x, y)

    yield "scikit-learn" + (", no batch norm" if job.has(BatchNorm) else ""), run
