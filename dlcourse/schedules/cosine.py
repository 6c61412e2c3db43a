"""Rates that follow a cosine: slow, fast, slow."""

import math
from fractions import Fraction
from typing import Annotated

import numpy as np

from dlcourse.schedules.base import LearningRate, Schedule, Share, Steps, not_negative
from dlcourse.settings import Rule, finite, is_number, settings, whole

Periods = Annotated[float, finite, "0.5 is half a wave: down once."]


@settings
class CosineDecay(Schedule):
    """Half a cosine wave, down to alpha · η₀ (Loshchilov & Hutter 2016, arXiv:1608.03983).

    η = η₀ · ((1 − α) · ½(1 + cos(πs/D)) + α)

    It stays at α · η₀ after D; PyTorch's CosineAnnealingLR climbs again.
    """

    initial_learning_rate: LearningRate
    decay_steps: Steps
    alpha: Share = 0.0

    def rate(self, step: int) -> float:
        done = min(step, self.decay_steps) / self.decay_steps
        return self.initial_learning_rate * ((1.0 - self.alpha) * half_wave(done) + self.alpha)


@settings
class CosineDecayRestarts(Schedule):
    """Cosine decay that starts anew, each time t_mul as long and m_mul as high (same paper, "SGDR").

    η = η₀ · ((1 − α) · mⁱ · ½(1 + cos(πr)) + α)

    i counts the restarts so far, r is the share of the present period that is done. The restart happens at s = D
    itself, so the lowest rate is never quite reached. Periods are subtracted as exact fractions of t_mul as it is
    written: TensorFlow's logarithms miss the restart at s = 21 of D = 10, t_mul = 1.1.
    """

    initial_learning_rate: LearningRate
    first_decay_steps: Steps
    t_mul: Annotated[float, Rule("be a number, 1 or more", lambda v: is_number(v) and v >= 1), "2 is usual."] = 2.0
    m_mul: Annotated[float, not_negative, "1 restarts at full height."] = 1.0
    alpha: Share = 0.0

    def rate(self, step: int) -> float:
        restarts, done = self.period(step)
        height = self.m_mul**restarts
        return self.initial_learning_rate * ((1.0 - self.alpha) * height * half_wave(done) + self.alpha)

    def period(self, step: int) -> tuple[int, float]:
        """How many restarts there have been, and the share of the present period that is done."""
        if self.t_mul == 1:
            restarts, step = divmod(step, self.first_decay_steps)
            return restarts, step / self.first_decay_steps
        times, over = Fraction(str(self.t_mul)).as_integer_ratio()
        restarts, rest, length = 0, step, self.first_decay_steps
        while rest >= length:  # both in units of 1/overⁱ steps, so whole numbers
            restarts, rest, length = restarts + 1, (rest - length) * over, length * times
        return restarts, rest / length


@settings
class LinearCosineDecay(Schedule):
    """A straight line times a cosine wave, plus a floor (Bello et al. 2017, arXiv:1709.07417).

    η = η₀ · ((α + 1 − s/D) · ½(1 + cos(2π · num_periods · s/D)) + β)

    It begins at η₀(1 + α + β), a little above η₀, and stays where it is at D.
    """

    initial_learning_rate: LearningRate
    decay_steps: Steps
    num_periods: Periods = 0.5
    alpha: Share = 0.0
    beta: Share = 0.001

    def rate(self, step: int) -> float:
        done = min(step, self.decay_steps) / self.decay_steps
        wave = half_wave(2.0 * self.num_periods * done)
        return self.initial_learning_rate * ((self.alpha + 1.0 - done) * wave + self.beta)


@settings
class NoisyLinearCosineDecay(Schedule):
    """Linear cosine decay with noise that dies down (Bello et al. 2017, arXiv:1709.07417).

    η = η₀ · ((α + 1 − s/D + ξ) · ½(1 + cos(2π · num_periods · s/D)) + β)
    ξ ~ N(0, initial_variance / (1 + s)^variance_decay)

    ξ depends on seed and s only: asking twice gives the same rate, as TensorFlow does not. Its variance stops falling
    at D, and the rate can be negative. Where the cosine is 0, so is the noise.
    """

    initial_learning_rate: LearningRate
    decay_steps: Steps
    initial_variance: Annotated[float, not_negative, "0 has no noise."] = 1.0
    variance_decay: Annotated[float, finite, "0.55 is TensorFlow's; 0 keeps the variance."] = 0.55
    num_periods: Periods = 0.5
    alpha: Share = 0.0
    beta: Share = 0.001
    seed: Annotated[int, whole, "It decides the noise."] = 0

    def rate(self, step: int) -> float:
        passed = min(step, self.decay_steps)
        done = passed / self.decay_steps
        wave = half_wave(2.0 * self.num_periods * done)
        noise = math.sqrt(self.initial_variance / (1.0 + passed) ** self.variance_decay)
        noise *= np.random.default_rng([self.seed, step]).standard_normal()
        return self.initial_learning_rate * ((self.alpha + 1.0 - done + noise) * wave + self.beta)


def half_wave(share: float) -> float:
    """From 1 at 0 down to 0 at 1, and up again: ½(1 + cos(π · share))."""
    return 0.5 * (1.0 + math.cos(math.pi * share))
