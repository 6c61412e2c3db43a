"""What penalties do to linear models, exactly: nothing here is trained. Simple → hard.

A linear model is y = x w, x (examples, features). Its singular values s say how much of each direction of w the
data shows. Directions that it hardly shows are where noise gets in; every cure shrinks those most.
"""

from typing import Any

import numpy as np

from dlcourse import settings
from dlcourse.settings import check, count

not_negative, share = settings.not_negative._replace(lanes=False), settings.share._replace(lanes=False)


def soft_threshold(w: Any, amount: Any) -> np.ndarray:
    """The exact answer to an L1 penalty: the v that minimizes ½(v − w)² + amount · |v| (Donoho & Johnstone 1994).

    v = sign(w) · max(|w| − amount, 0)          everything smaller than amount becomes zero, exactly

    amount: a number, or a column with one for each lane and as many axes as w, (lanes, 1, 1) for (lanes, in, out).
    """
    amount = check("soft_threshold.amount", settings.not_negative, amount, "0 changes nothing.")
    w = np.asarray(w)
    return np.sign(w) * np.maximum(np.abs(w) - amount, 0)


def ridge(x: Any, y: Any, strength: float) -> np.ndarray:
    """The exact answer to an L2 penalty: the w that minimizes Σ(x w − y)² + λ Σw² (Hoerl & Kennard 1970).

    x = U diag(s) Vᵀ        w = V diag(factors / s) Uᵀ y        factors: ridge_factors(s, λ)

    x (examples, features), y (examples,) or (examples, outputs). With strength 0 it is least squares.
    """
    u, s, v = np.linalg.svd(np.asarray(x, float), full_matrices=False)
    factors = ridge_factors(s, strength)
    gain = np.divide(factors, s, out=np.zeros_like(s), where=s > 0)
    return v.T @ (gain * (u.T @ np.asarray(y, float)).T).T


def ridge_factors(s: Any, strength: float) -> np.ndarray:
    """The share of each direction that ridge keeps: s² / (s² + λ); one half where s = √λ."""
    strength = check("ridge_factors.strength", not_negative, strength, "0 keeps everything.")
    square = np.square(np.asarray(s, float))
    return np.divide(square, square + strength, out=np.ones_like(square), where=square + strength > 0)


def stopping_factors(s: Any, learning_rate: float, steps: int) -> np.ndarray:
    """The share of each direction that gradient descent from w = 0 has reached after so many steps.

    1 − (1 − ηs²)ᵗ          on ½ Σ(x w − y)², with ηs² < 2; near ridge with λ = 1/(ηt)
    """
    rate = check("stopping_factors.learning_rate", not_negative, learning_rate, "Below 2/s² it converges.")
    steps = check("stopping_factors.steps", count, steps, "It is t.")
    return 1 - (1 - rate * np.square(np.asarray(s, float))) ** steps


def dropout_penalty(x: Any, w: Any, rate: float) -> float:
    """What dropout on the inputs adds to the mean squared error of a linear model (Srivastava et al. 2014, §9.1).

    mean over masks of mean((x̃ w − y)²) = mean((x w − y)²) + rate/(1 − rate) · Σⱼ wⱼ² mean(xⱼ²)

    x̃ = x m/(1 − rate), inverted dropout. A ridge penalty in which busy inputs pay more; the paper's p is 1 − rate.
    """
    rate = check("dropout_penalty.rate", share, rate, "0.5 leaves out one half.")
    x, w = np.asarray(x, float), np.asarray(w, float)
    return float(rate / (1 - rate) * (np.square(w) * np.square(x).mean(axis=0)).sum())
