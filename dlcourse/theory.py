"""What can be known about gradient descent and momentum without running them: exact rates, limits, and noise.

All of it holds on a quadratic valley, `surfaces.Ravine`, and near any smooth minimum (Polyak 1964; Goh 2017, "Why
Momentum Really Works", doi 10.23915/distill.00006).

λ is a curvature, κ = λmax/λmin, α the learning rate, μ the momentum. A rate ρ is the factor that the error shrinks by
per step in the long run: 0.99 is slow, 0.5 fast, above 1 diverges. Where both roots are one, as they are for
best_momentum, the error goes like t·ρᵗ.
"""

import math
from collections.abc import Iterable

from dlcourse import settings
from dlcourse.settings import Rule, check, is_number, refuse

positive, share = settings.positive._replace(lanes=False), settings.share._replace(lanes=False)
kappa_rule = Rule("be a number, 1 or more", lambda v: is_number(v) and v >= 1)


def gradient_descent_rate(kappa: float) -> float:
    """The lowest rate that gradient descent can have: (κ − 1)/(κ + 1)."""
    kappa = check("gradient_descent_rate.kappa", kappa_rule, kappa, "κ = λmax/λmin.")
    return (kappa - 1.0) / (kappa + 1.0)


def momentum_rate(kappa: float) -> float:
    """The lowest rate that momentum can have: (√κ − 1)/(√κ + 1). Other settings may reach a goal sooner."""
    kappa = check("momentum_rate.kappa", kappa_rule, kappa, "κ = λmax/λmin.")
    return (math.sqrt(kappa) - 1.0) / (math.sqrt(kappa) + 1.0)


def best_gradient_descent(smallest: float, largest: float) -> float:
    """The learning rate that reaches gradient_descent_rate: α = 2/(λmin + λmax)."""
    smallest, largest = curvatures("best_gradient_descent", smallest, largest)
    return 2.0 / (smallest + largest)


def best_momentum(smallest: float, largest: float) -> tuple[float, float]:
    """(α, μ) that reach momentum_rate: α = (2/(√λmin + √λmax))², μ = ((√κ − 1)/(√κ + 1))²."""
    smallest, largest = curvatures("best_momentum", smallest, largest)
    return (2.0 / (math.sqrt(smallest) + math.sqrt(largest))) ** 2, momentum_rate(largest / smallest) ** 2


def stability_limit(momentum: float, curvature: float) -> float:
    """The learning rate at which momentum starts to diverge: 2(1 + μ)/λ; 2/λ without momentum."""
    mu, curvature = rule_settings("stability_limit", momentum, curvature)
    return 2.0 * (1.0 + mu) / curvature


def nesterov_stability_limit(momentum: float, curvature: float) -> float:
    """The learning rate at which Nesterov's rule starts to diverge: (2 + 2μ)/((1 + 2μ) λ)."""
    mu, curvature = rule_settings("nesterov_stability_limit", momentum, curvature)
    return (2.0 + 2.0 * mu) / ((1.0 + 2.0 * mu) * curvature)


def error_factor(learning_rate: float, momentum: float, curvature: float) -> float:
    """The rate of momentum at any setting: the larger |z| of z² − (1 + μ − αλ) z + μ = 0.

    Where the roots are complex it is √μ whatever α is (the article's text says 2√μ there; its eigenvalues, √μ).
    """
    mu, curvature = rule_settings("error_factor", momentum, curvature)
    alpha = check("error_factor.learning_rate", positive, learning_rate, "0.01 is a cautious start.")
    return largest_root(1.0 + mu - alpha * curvature, mu)


def nesterov_error_factor(learning_rate: float, momentum: float, curvature: float) -> float:
    """The rate of Nesterov's rule: the larger |z| of z² − (1 + μ)(1 − αλ) z + μ(1 − αλ) = 0."""
    mu, curvature = rule_settings("nesterov_error_factor", momentum, curvature)
    alpha = check("nesterov_error_factor.learning_rate", positive, learning_rate, "0.01 is a cautious start.")
    return largest_root((1.0 + mu) * (1.0 - alpha * curvature), mu * (1.0 - alpha * curvature))


def largest_root(total: float, product: float) -> float:
    """The larger |z| of z² − total z + product = 0."""
    discriminant = total * total - 4.0 * product
    if discriminant < 0:
        return math.sqrt(product)
    return (abs(total) + math.sqrt(discriminant)) / 2.0


def rule_settings(name: str, momentum: float, curvature: float) -> tuple[float, float]:
    return (
        check(f"{name}.momentum", share, momentum, "0.9 is the usual choice."),
        check(f"{name}.curvature", positive, curvature, "It is an eigenvalue of the Hessian."),
    )


def curvatures(name: str, smallest: float, largest: float) -> tuple[float, float]:
    smallest = check(f"{name}.smallest", positive, smallest, "It is the smallest eigenvalue of the Hessian.")
    at_least = Rule(f"be a number, {smallest} or more", lambda v: is_number(v) and v >= smallest)
    return smallest, check(f"{name}.largest", at_least, largest, "It is the largest eigenvalue of the Hessian.")


# Batch norm


def relu_batch_norm_growth() -> float:
    """How much longer the gradient gets, from a layer to the one before it, in a wide net of batch norm and ReLU.

    √(π/(π − 1)) = 1.21 at the start of training and for large batches, whatever the scale of the weights (Yang et al.
    2019, arXiv:1902.08129). ReLU leaves 1/2 of the gradient's square and (π − 1)/(2π) of the signal's variance; batch
    norm makes the variance 1 again, and stretches the gradient by as much.
    """
    return math.sqrt(math.pi / (math.pi - 1.0))


def resting_turn(learning_rate: float, weight_decay: float) -> float:
    """The angle by which one step of SGD turns weights before a batch norm, once their length has come to rest.

    w ← (1 − ηλ) w − η g,  g ⊥ w: cos(angle) = (1 − ηλ)‖w‖/‖w′‖, and at rest the lengths cancel: 1 − ηλ is the geometric
    mean of the cosines, whatever the gradients are. In radians, close to √(2ηλ) (Wan et al. 2020, arXiv:2006.08419).
    """
    eta = check("resting_turn.learning_rate", positive, learning_rate, "0.1 is usual.")
    below = Rule(f"be above 0 and below 1/learning_rate = {1 / eta:g}", lambda v: is_number(v) and 0 < v < 1 / eta)
    return math.acos(1.0 - eta * check("resting_turn.weight_decay", below, weight_decay, "0.001 is usual."))


# Noise. The gradient is λθ + σξ, where ξ is drawn anew in every step, with mean 0 and variance 1.


def rattle(learning_rate: float, curvature: float, noise: float, momentum: float = 0.0) -> float:
    """The mean of θ² that a constant rate ends up with: (1 + μ) ασ² / ((1 − μ) λ (2(1 + μ) − αλ)).

    ασ²/(λ(2 − αλ)) without momentum. The mean loss above the minimum is λ/2 times it. Above the limit of stability
    it is refused: there the mean grows for ever.
    """
    mu, curvature = rule_settings("rattle", momentum, curvature)
    alpha = check("rattle.learning_rate", positive, learning_rate, "0.01 is a cautious start.")
    sigma = check("rattle.noise", settings.not_negative._replace(lanes=False), noise, "It is a standard deviation.")
    room = 2.0 * (1.0 + mu) - alpha * curvature
    if room <= 0:
        refuse("rattle.learning_rate", "stay below 2(1 + μ)/λ", alpha, "Above it the mean of θ² grows for ever.")
    return (1.0 + mu) * alpha * sigma**2 / ((1.0 - mu) * curvature * room)


def mean_squares(learning_rates: Iterable[float], curvature: float, noise: float, start: float) -> list[float]:
    """The mean of θ² before the first step, `start`, and after each: E ← (1 − αλ)² E + α²σ². Any schedule."""
    squares = [start]
    for alpha in learning_rates:
        squares.append((1.0 - alpha * curvature) ** 2 * squares[-1] + (alpha * noise) ** 2)
    return squares


def best_decay(curvature: float, noise: float, start: float) -> tuple[float, float]:
    """(α₀, k) of the best schedule for a valley that is known, InverseTimeDecay(α₀, decay_steps=1, decay_rate=k).

    Each step as good as it can be: α = λE/(λ²E + σ²). Then 1/E grows by λ²/σ² a step, and αₜ = 1/(λ(t + 1 + τ)) with
    τ = σ²/(λ² start). No schedule has a smaller mean of θ² after t steps than σ²/(λ²(t + τ)) (Robbins & Monro 1951);
    the mean of many points of a walk at a constant rate comes near it without knowing λ (Polyak & Juditsky 1992).
    """
    delay = 1.0 + noise**2 / (curvature**2 * start)
    return 1.0 / (curvature * delay), 1.0 / delay
