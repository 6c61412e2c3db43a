"""A learning rate as a function of the step, simple → hard; read the files in this order.

    base        what every schedule shares: schedule(step) is a number
    decay       PiecewiseConstantDecay, PolynomialDecay, ExponentialDecay, NaturalExponentialDecay, InverseTimeDecay
    cosine      CosineDecay, CosineDecayRestarts, LinearCosineDecay, NoisyLinearCosineDecay
    warmup      Warmup, OneCycle: up before down
    plateau     ReduceOnPlateau: look at the loss first

    schedule = Warmup(100, then=CosineDecay(0.1, decay_steps=900))
    schedule(0)                         the rate of the first update, a Python float
    Momentum(schedule)                  an optimizer asks it before every step

Names, arguments and values are those of Keras and TensorFlow, unless a docstring says otherwise. In the formulas s is
step, which counts from 0, η₀ is initial_learning_rate, D is decay_steps. The cosines and the polynomial stay where
they are at D, the others go on. A rate may be negative where the formula says so; one that is not finite is refused.
"""

from dlcourse.schedules.base import Schedule
from dlcourse.schedules.cosine import CosineDecay, CosineDecayRestarts, LinearCosineDecay, NoisyLinearCosineDecay
from dlcourse.schedules.decay import (
    ExponentialDecay,
    InverseTimeDecay,
    NaturalExponentialDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from dlcourse.schedules.plateau import ReduceOnPlateau
from dlcourse.schedules.warmup import OneCycle, Warmup

__all__ = [
    "CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay", "LinearCosineDecay",
    "NaturalExponentialDecay", "NoisyLinearCosineDecay", "OneCycle", "PiecewiseConstantDecay", "PolynomialDecay",
    "ReduceOnPlateau", "Schedule", "Warmup",
]  # fmt: skip
