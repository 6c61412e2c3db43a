"""The steepest way down, measured in what the network says instead of in theta: the natural gradient."""

import math
from typing import Annotated, Any

from dlcourse.backend import Array, is_array, xp
from dlcourse.optimizers.base import Optimizer
from dlcourse.settings import Rate, Rule, is_number, not_negative, positive, refuse, settings, share

LIMIT = 4000  # parameters: A has P² numbers of 8 bytes, 128 MB at this limit
number_or_none = Rule("be a number above 0, or None", lambda v: v is None or (is_number(v) and v > 0))


@settings
class ANGD(Optimizer):
    """Adaptive natural gradient descent (Amari, Park & Fukumizu 2000; so we read the acronym), on mini-batches.

    G ← (1 − ε)G + ε/B · Σᵢ sᵢsᵢᵀ
    A = G⁻¹
    θ ← θ − ηAg

    G estimates the Fisher information, the curvature of the network's own distribution of answers, and A is kept
    instead of it. sᵢ are the scores of the batch: one for each example, the gradient in θ of the log-likelihood of
    a label *drawn from the network's prediction*. (With the true labels G would be the "empirical Fisher", another
    matrix, which vanishes where the fit is exact.) By Woodbury's identity, V = scores, (B, P),

    A ← (A − εAVᵀ((1 − ε)B·I + εVAVᵀ)⁻¹VA) / (1 − ε)

    which solves B equations and never P. The step takes the new A; the online form of 2000 inverts to first order
    in ε, which turns indefinite after one large score.

    fisher_rate = ε. A starts at I/prior. That start fades as (1 − ε)ᵗ: a direction that scores hardly ever have (raise
    all the logits of a softmax alike, and nothing changes) gains 1/(1 − ε) in A at every step, and after some 10/ε
    steps one step along it is far too long. So networks want damping. The stabilizers, off at first:
    damping     λ: λI is part of every estimate, so A is at most 1/λ or 1/prior; the price is to solve P equations
    max_step    δ: η is cut to √(δ / gᵀAg), so that no step changes the answers by more than about δ/2 nats

    A is float64 whatever θ is. step(theta, grad, scores) refuses lanes and more than 4000 parameters.
    """

    learning_rate: Rate = 0.1
    fisher_rate: Annotated[float, share._replace(lanes=False), "0.1 remembers about 10 batches."] = 0.1
    damping: Annotated[float, not_negative._replace(lanes=False), "0 is off, 0.01 suits a network."] = 0.0
    max_step: Annotated[float | None, number_or_none, "None is off, 0.1 a careful start."] = None
    prior: Annotated[float, positive._replace(lanes=False), "1 starts A at I, so that ANGD begins as SGD."] = 1.0

    needs_scores = True

    def remember(self, theta: Array) -> None:
        if not is_array(theta) or theta.ndim != 1:
            shape = getattr(theta, "shape", ())
            refuse("ANGD.theta", "be one vector, (P,)", shape, "A is a matrix over all of it: train without lanes.")
        if len(theta) > LIMIT:
            remedy = f"A would take {8e-9 * len(theta) ** 2:.1f} GB, P² numbers of 8 bytes. Take a smaller network."
            refuse("ANGD.theta", f"have at most {LIMIT} numbers", len(theta), remedy)
        self.A = xp.eye(len(theta)) / self.prior

    def step(self, theta: Array, grad: Array, scores: Array = None) -> Array:
        """theta after one step; scores (batch, P): one for each example, of a label drawn from the prediction."""
        if self.theta_like is None:
            self.start(theta)
        if not is_array(scores) or scores.ndim != 2 or scores.shape[1] != len(theta) or not len(scores):
            rule = f"be an array (batch, {len(theta)}), the gradient of each example's log-likelihood in a row"
            got = getattr(scores, "shape", scores)
            refuse("ANGD.scores", rule, got, "Draw each label from the prediction. SGD needs none.")
        self.estimate(scores)
        return super().step(theta, grad)

    def estimate(self, scores: Array) -> None:
        """A, once the batch has been seen."""
        V, eps, A = scores.astype("float64"), self.fisher_rate, self.A  # (batch, P)
        VA = V @ A
        K = (1 - eps) * len(V) * xp.eye(len(V)) + eps * VA @ V.T  # (batch, batch)
        A = (A - eps * VA.T @ xp.linalg.solve(K, VA)) / (1 - eps)
        if self.damping:  # (A⁻¹ + ελI)⁻¹
            A = xp.linalg.solve(xp.eye(len(A)) + eps * self.damping * A, A)
        self.A = (A + A.T) / 2  # rounding must not make it lopsided

    def update(self, theta: Array, grad: Array, lr: Any) -> Array:
        direction = self.A @ grad.astype("float64")
        if self.max_step is not None:
            slope = float(grad @ direction)
            lr = min(lr, math.sqrt(self.max_step / slope)) if slope > 0 else lr
        theta -= lr * direction
        return theta
