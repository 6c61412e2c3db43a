"""Thinc: three layers in a chain. It has neither momentum nor batch norm; the job is done without."""

import numpy as np
from jobs import Statistics
from thinc.api import SGD, Adam, Relu, Softmax, chain

import dlcourse as dl
from dlcourse.layers import BatchNorm, Conv2D


def candidates(job):
    if isinstance(job, Statistics) or job.has(Conv2D):
        return
    plain = isinstance(job.optimizer, dl.Momentum)
    target = np.eye(job.units[-1], dtype="float32")[job.data.y]

    def run():
        model = chain(*map(Relu, job.units[:-1]), Softmax(job.units[-1]))
        model.initialize(X=job.data.x[:64], Y=target[:64])
        optimizer = (SGD if plain else Adam)(job.optimizer.learning_rate)
        for batch in job.batches:
            p, backprop = model.begin_update(job.data.x[batch])
            backprop((p - target[batch]) / len(batch))
            model.finish_update(optimizer)

    missing = [what for what, lacks in (("momentum", plain), ("batch norm", job.has(BatchNorm))) if lacks]
    yield f"Thinc, no {' and no '.join(missing)}", run
