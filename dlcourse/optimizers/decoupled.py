"""Weights that shrink by themselves, beside the step: weight decay as it was meant (Loshchilov & Hutter 2017).

An L2 penalty enters through the gradient, and whatever a rule does to a gradient it does to the penalty: Adam divides
it by √v̂, so that the weights with the largest gradients shrink least. Decay that goes past the rule shrinks all weights
by the same factor, 1 − ηλ.
"""

from typing import Any

from dlcourse.backend import Array
from dlcourse.optimizers.base import Average, Eps, Optimizer, WeightDecay, sqrt, zeros_like
from dlcourse.optimizers.momentum import Inertia
from dlcourse.settings import Rate, settings


@settings
class SGDW(Optimizer):
    """Momentum with decoupled weight decay (Loshchilov & Hutter 2017, arXiv:1711.05101).

    θ ← (1 − ηλ)θ
    v ← μv − ηg
    θ ← θ + v

    λ = weight_decay, which acts where decay_mask is 1 (see `start`). Without momentum this is SGD with the penalty
    L2(λ/2); with momentum it is not, since the penalty would gather in v. Some libraries leave out the η of 1 − ηλ.
    """

    learning_rate: Rate = 0.01
    momentum: Inertia = 0.0
    weight_decay: WeightDecay = 0.01

    def remember(self, theta: Array) -> None:
        self.v = zeros_like(theta)

    def update(self, theta: Array, grad: Array, lr: Any) -> Array:
        theta -= lr * self.weight_decay * self.decay_mask * theta
        self.v = self.momentum * self.v - lr * grad
        theta += self.v
        return theta


@settings
class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2017, arXiv:1711.05101).

    θ ← (1 − ηλ)θ
    m ← β₁m + (1 − β₁)g
    v ← β₂v + (1 − β₂)g²
    m̂ = m / (1 − β₁ᵗ)
    v̂ = v / (1 − β₂ᵗ)
    θ ← θ − ηm̂ / (√v̂ + ε)

    λ = weight_decay, which acts where decay_mask is 1 (see `start`). As in PyTorch; Keras takes λ = 0.004 and, as
    in its Adam, ε̂. In the paper only the schedule's part of η multiplies λ.
    """

    learning_rate: Rate = 0.001
    beta1: Average = 0.9
    beta2: Average = 0.999
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.01

    def remember(self, theta: Array) -> None:
        self.m, self.v = zeros_like(theta), zeros_like(theta)

    def update(self, theta: Array, grad: Array, lr: Any) -> Array:
        theta -= lr * self.weight_decay * self.decay_mask * theta
        self.m = self.beta1 * self.m + (1 - self.beta1) * grad
        self.v = self.beta2 * self.v + (1 - self.beta2) * grad * grad
        m_hat = self.m / (1 - self.beta1**self.steps)
        v_hat = self.v / (1 - self.beta2**self.steps)
        theta -= lr * m_hat / (sqrt(v_hat) + self.eps)
        return theta
