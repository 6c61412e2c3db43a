"""Writes tensorflow_schedules.json: the decays of tf.compat.v1.train, in float32 as TensorFlow computes them.

Run with TensorFlow installed; the suite reads only the file.
"""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

train = tf.compat.v1.train
STEPS = [0, 1, 2, 3, 5, 9, 10, 11, 15, 19, 20, 21, 25, 30, 31, 40, 69, 70, 71, 100, 149, 150, 151]

# Our class and its settings; TensorFlow's function and its arguments, where they have other names.
decaying = {"initial_learning_rate": 0.05, "decay_steps": 10, "decay_rate": 0.96}
polynomial = {"initial_learning_rate": 0.05, "decay_steps": 10, "end_learning_rate": 0.001}
cosine = {"initial_learning_rate": 0.5, "decay_steps": 70}
restarts = {"initial_learning_rate": 0.5, "first_decay_steps": 10}
ROWS = [
    (
        "PiecewiseConstantDecay",
        {"boundaries": [1, 10, 70], "values": [1.0, 0.1, 0.01, 0.001]},
        train.piecewise_constant,
    ),
    *(
        (name, {**decaying, "staircase": staircase}, function)
        for name, function in [
            ("ExponentialDecay", train.exponential_decay),
            ("NaturalExponentialDecay", train.natural_exp_decay),
            ("InverseTimeDecay", train.inverse_time_decay),
        ]
        for staircase in (False, True)
    ),
    *(
        ("PolynomialDecay", {**polynomial, "power": power, "cycle": cycle}, train.polynomial_decay)
        for power in (1.0, 0.5, 2.0)
        for cycle in (False, True)
    ),
    *(("CosineDecay", {**cosine, "alpha": alpha}, train.cosine_decay) for alpha in (0.0, 0.1)),
    *(
        ("CosineDecayRestarts", {**restarts, **more}, train.cosine_decay_restarts)
        for more in ({}, {"alpha": 0.1}, {"t_mul": 1.0}, {"m_mul": 0.5}, {"t_mul": 3.0, "m_mul": 0.9, "alpha": 0.2})
    ),
    *(
        ("LinearCosineDecay", {**cosine, **more}, train.linear_cosine_decay)
        for more in ({}, {"num_periods": 5.0, "alpha": 0.1, "beta": 1e-4})
    ),
    # TensorFlow draws its noise anew at every call, so only the noiseless line can be written down.
    ("NoisyLinearCosineDecay", {**cosine, "initial_variance": 0.0, "alpha": 0.1}, train.noisy_linear_cosine_decay),
]


def rates(function, settings):
    settings = dict(settings)
    if "boundaries" in settings:
        call = lambda step: function(step, settings["boundaries"], settings["values"])  # noqa: E731
    else:
        start = settings.pop("initial_learning_rate")
        call = lambda step: function(start, step, **settings)  # noqa: E731
    values = [call(tf.constant(step)) for step in STEPS]
    return [float((value() if callable(value) else value).numpy()) for value in values]


answers = {
    "made_with": [f"tensorflow {tf.__version__}", f"numpy {np.__version__}"],
    "steps": STEPS,
    "rows": [[name, settings, rates(function, settings)] for name, settings, function in ROWS],
}
Path(__file__).with_name("tensorflow_schedules.json").write_text(json.dumps(answers) + "\n")
