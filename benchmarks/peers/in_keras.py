"""Keras: `fit` on the batches in their order, fifty steps an execution, which is faster than its default of one.

With JAX behind it, its fastest backend on a CPU; KERAS_BACKEND overrides it.
"""

import importlib.util
import os

if "KERAS_BACKEND" not in os.environ:
    os.environ["KERAS_BACKEND"] = "jax" if importlib.util.find_spec("jax") else "torch"

import keras
import numpy as np
from jobs import Statistics
from keras import layers

import dlcourse as dl


def candidates(job):
    if isinstance(job, Statistics):
        return
    name, rows = f"Keras on {keras.backend.backend()}", job.batches.ravel()
    x, y = job.data.x[rows], job.data.y[rows]
    job.network.reset()
    numbers = [getattr(layer, name).copy() for layer in job.layers for name in ("W", "b") if "W" in layer.windows]

    def fit(model):
        found = model.fit(x, y, batch_size=job.batch_size, shuffle=False, verbose=0)
        return np.array(found.history["loss"])

    model = network(job, numbers)
    initial = [value.copy() for value in model.get_weights()]

    def again():
        model.set_weights(initial)
        for variable in model.optimizer.variables[2:]:
            variable.assign(np.zeros(variable.shape))
        model.optimizer.iterations.assign(0)
        return fit(model)

    yield f"{name}, weights reset", again
    yield f"{name}, a new model", lambda: fit(network(job, numbers))


def network(job, numbers):
    there = [keras.Input(job.data.x.shape[1:])]
    for layer in job.layers:
        match type(layer).__name__:
            case "Dense":
                there.append(layers.Dense(layer.units))
            case "Conv2D":
                there.append(layers.Conv2D(layer.filters, layer.kernel_size, padding="same"))
            case "BatchNorm":
                there.append(layers.BatchNormalization(momentum=layer.decay, epsilon=layer.eps))
            case kind:
                there.append(getattr(layers, kind)())
    model = keras.Sequential(there)
    rate = job.optimizer.learning_rate
    if isinstance(job.optimizer, dl.Momentum):
        optimizer = keras.optimizers.SGD(rate, momentum=job.optimizer.momentum)
    else:
        optimizer = keras.optimizers.Adam(rate, epsilon=1e-8)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), steps_per_execution=50)
    parts = [layer for layer in model.layers if isinstance(layer, layers.Dense | layers.Conv2D)]
    for layer, (w, b) in zip(parts, zip(numbers[::2], numbers[1::2], strict=True), strict=True):
        layer.set_weights([w, b.ravel()])
    return model
