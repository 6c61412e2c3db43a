"""A rate for every number in theta: large where gradients have been small, small where they have been large."""

from typing import Annotated, Any

from dlcourse.backend import Array
from dlcourse.optimizers.base import Average, Eps, Optimizer, maximum, sqrt, zeros_like
from dlcourse.settings import Rate, not_negative, settings


@settings
class AdaGrad(Optimizer):
    """The rate falls where much ground is covered (Duchi, Hazan & Singer 2011).

    s ← s + g²
    θ ← θ − ηg / (√s + ε)

    As in PyTorch. Keras starts s at 0.1 and puts ε inside the root; TensorFlow 1 starts at 0.1 without ε.
    """

    learning_rate: Rate = 0.01
    eps: Eps = 1e-10

    def remember(self, theta: Array) -> None:
        self.s = zeros_like(theta)

    def update(self, theta: Array, grad: Array, lr: Any) -> Array:
        self.s = self.s + grad * grad
        theta -= lr * grad / (sqrt(self.s) + self.eps)
        return theta


@settings
class RMSProp(Optimizer):
    """AdaGrad that forgets (Tieleman & Hinton 2012, lecture 6e).

    s ← ρs + (1 − ρ)g²
    θ ← θ − ηg / (√s + ε)

    ε is outside the root, as in PyTorch and Caffe; Keras and TensorFlow have √(s + ε). PyTorch calls ρ alpha and
    takes 0.99; TensorFlow 1 starts s at 1.
    """

    learning_rate: Rate = 0.001
    rho: Average = 0.9
    eps: Eps = 1e-8

    def remember(self, theta: Array) -> None:
        self.s = zeros_like(theta)

    def update(self, theta: Array, grad: Array, lr: Any) -> Array:
        self.s = self.rho * self.s + (1 - self.rho) * grad * grad
        theta -= lr * grad / (sqrt(self.s) + self.eps)
        return theta


@settings
class AdaDelta(Optimizer):
    """RMSProp that finds its own rate (Zeiler 2012, arXiv:1212.5701).

    s ← ρs + (1 − ρ)g²
    Δ = √(d + ε) / √(s + ε) · g
    d ← ρd + (1 − ρ)Δ²
    θ ← θ − ηΔ

    ε is inside both roots: it alone makes the first step. d averages the steps before η, which the paper does not
    have (η = 1, as in PyTorch). Keras takes η = 0.001 and ρ = 0.95.
    """

    learning_rate: Rate = 1.0
    rho: Average = 0.9
    eps: Eps = 1e-6

    def remember(self, theta: Array) -> None:
        self.s, self.d = zeros_like(theta), zeros_like(theta)

    def update(self, theta: Array, grad: Array, lr: Any) -> Array:
        self.s = self.rho * self.s + (1 - self.rho) * grad * grad
        delta = sqrt(self.d + self.eps) / sqrt(self.s + self.eps) * grad
        self.d = self.rho * self.d + (1 - self.rho) * delta * delta
        theta -= lr * delta
        return theta


@settings
class Adam(Optimizer):
    """Momentum and RMSProp together, both averages unbiased (Kingma & Ba 2014, arXiv:1412.6980).

    m ← β₁m + (1 − β₁)g
    v ← β₂v + (1 − β₂)g²
    m̂ = m / (1 − β₁ᵗ)
    v̂ = v / (1 − β₂ᵗ)
    θ ← θ − ηm̂ / (√v̂ + ε)

    This is the paper's ε, as in PyTorch. Keras, TensorFlow and Caffe have its ε̂, θ ← θ − ηm̂ / (√v̂ + ε̂/√(1 − β₂ᵗ)),
    which brakes the first steps; Keras takes 1e-7.
    """

    learning_rate: Rate = 0.001
    beta1: Average = 0.9
    beta2: Average = 0.999
    eps: Eps = 1e-8

    def remember(self, theta: Array) -> None:
        self.m, self.v = zeros_like(theta), zeros_like(theta)

    def update(self, theta: Array, grad: Array, lr: Any) -> Array:
        self.m = self.beta1 * self.m + (1 - self.beta1) * grad
        self.v = self.beta2 * self.v + (1 - self.beta2) * grad * grad
        m_hat = self.m / (1 - self.beta1**self.steps)
        v_hat = self.v / (1 - self.beta2**self.steps)
        theta -= lr * m_hat / (sqrt(v_hat) + self.eps)
        return theta


@settings
class AMSGrad(Optimizer):
    """Adam whose rates never rise again (Reddi, Kale & Kumar 2018, arXiv:1904.09237).

    m ← β₁m + (1 − β₁)g
    v ← β₂v + (1 − β₂)g²
    v_max ← max(v_max, v)
    m̂ = m / (1 − β₁ᵗ)
    v̂ = v_max / (1 − β₂ᵗ)
    θ ← θ − ηm̂ / (√v̂ + ε)

    The largest v, then unbiased, as in PyTorch; the paper leaves m and v as they are.
    """

    learning_rate: Rate = 0.001
    beta1: Average = 0.9
    beta2: Average = 0.999
    eps: Eps = 1e-8

    def remember(self, theta: Array) -> None:
        self.m, self.v, self.v_max = zeros_like(theta), zeros_like(theta), zeros_like(theta)

    def update(self, theta: Array, grad: Array, lr: Any) -> Array:
        self.m = self.beta1 * self.m + (1 - self.beta1) * grad
        self.v = self.beta2 * self.v + (1 - self.beta2) * grad * grad
        self.v_max = maximum(self.v_max, self.v)
        m_hat = self.m / (1 - self.beta1**self.steps)
        v_hat = self.v_max / (1 - self.beta2**self.steps)
        theta -= lr * m_hat / (sqrt(v_hat) + self.eps)
        return theta


@settings
class Nadam(Optimizer):
    """Adam that looks ahead as Nesterov does (Dozat 2016, ICLR workshop).

    μₜ = β₁(1 − ½ · 0.96^(ψt))
    Πₜ = μ₁ · μ₂ · … · μₜ
    m ← β₁m + (1 − β₁)g
    v ← β₂v + (1 − β₂)g²
    v̂ = v / (1 − β₂ᵗ)
    θ ← θ − η((1 − μₜ)g / (1 − Πₜ) + μₜ₊₁m / (1 − Πₜ₊₁)) / (√v̂ + ε)

    ψ = momentum_decay: the weight of the past grows from β₁/2 to β₁. As in PyTorch; Keras has ψ = 1. Many texts
    show μₜ = β₁ throughout, which neither of them runs.
    """

    learning_rate: Rate = 0.002
    beta1: Average = 0.9
    beta2: Average = 0.999
    eps: Eps = 1e-8
    momentum_decay: Annotated[Any, not_negative, "0.004 is the paper's; 0 keeps μ at β₁/2."] = 0.004

    def remember(self, theta: Array) -> None:
        self.m, self.v, self.product = zeros_like(theta), zeros_like(theta), 1.0

    def mu(self, t: int) -> Any:
        return self.beta1 * (1 - 0.5 * 0.96 ** (self.momentum_decay * t))

    def update(self, theta: Array, grad: Array, lr: Any) -> Array:
        mu, mu_next = self.mu(self.steps), self.mu(self.steps + 1)
        self.product = self.product * mu
        self.m = self.beta1 * self.m + (1 - self.beta1) * grad
        self.v = self.beta2 * self.v + (1 - self.beta2) * grad * grad
        v_hat = self.v / (1 - self.beta2**self.steps)
        ahead = (1 - mu) / (1 - self.product) * grad + mu_next / (1 - self.product * mu_next) * self.m
        theta -= lr * ahead / (sqrt(v_hat) + self.eps)
        return theta
