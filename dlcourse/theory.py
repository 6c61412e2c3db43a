"""What can be known about gradient descent and momentum without running them: exact rates and limits.

All of it holds on a quadratic valley, `surfaces.Ravine`, and near any smooth minimum (Polyak 1964; Goh 2017, "Why
Momentum Really Works", doi 10.23915/distill.00006).

λ is a curvature, κ = λmax/λmin, α the learning rate, μ the momentum. A rate is the factor that the error shrinks by
per step: 0.99 is slow, 0.5 fast, above 1 diverges.
"""

import math

from dlcourse import settings
from dlcourse.settings import Rule, check, is_number

positive, share = settings.positive._replace(lanes=False), settings.share._replace(lanes=False)
kappa_rule = Rule("be a number, 1 or more", lambda v: is_number(v) and v >= 1)


def gradient_descent_rate(kappa: float) -> float:
    """The best gradient descent can do: (κ − 1)/(κ + 1)."""
    kappa = check("gradient_descent_rate.kappa", kappa_rule, kappa, "κ = λmax/λmin.")
    return (kappa - 1.0) / (kappa + 1.0)


def momentum_rate(kappa: float) -> float:
    """The best momentum can do: (√κ − 1)/(√κ + 1)."""
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
