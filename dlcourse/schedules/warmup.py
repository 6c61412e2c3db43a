"""Rates that rise before they fall."""

from collections.abc import Callable
from typing import Annotated, Any

from dlcourse.schedules.base import LearningRate, Schedule, Steps, not_negative, positive, share
from dlcourse.schedules.cosine import half_wave
from dlcourse.settings import Rule, refuse, settings

number_or_schedule = Rule("be a number, 0 or more, or a schedule", lambda v: callable(v) or not_negative.test(v))
part = Rule("be a number in (0, 1)", lambda v: share.test(v) and v > 0)


@settings
class Warmup(Schedule):
    """From almost nothing up to another schedule, in a straight line (Goyal et al. 2017, arXiv:1706.02677).

    η = then(0) · (s + 1)/steps     while s < steps
    η = then(s − steps)             afterwards

    then: a schedule, or a number to stay at. The first update has a rate above 0, so no step is wasted.
    """

    steps: Steps
    then: Annotated[Any, number_or_schedule, "CosineDecay(0.1, 1000), say, or 0.1."]

    def rate(self, step: int) -> Any:
        after = max(0, step - self.steps)
        rate = self.then(after) if callable(self.then) else self.then
        return rate * ((step + 1) / self.steps) if step < self.steps else rate

    @property
    def observe(self) -> Callable[[float], None]:
        """What the schedule behind this one observes, if it does."""
        return self.then.observe

    def reset(self) -> None:
        """The schedule behind this one starts anew."""
        if hasattr(self.then, "reset"):
            self.then.reset()


@settings
class OneCycle(Schedule):
    """Up, and down further than it began (Smith & Topin 2017, arXiv:1708.07120), both as half cosine waves.

    η₀ = max / div_factor             at step 0
    η₁ = max                          at step pct_start · total_steps − 1
    η₂ = η₀ / final_div_factor        at the last step, total_steps − 1

    As PyTorch's OneCycleLR, without its inverse cycle of the momentum. There is no step total_steps: asking for it
    is refused, as is a way up without a step in it.
    """

    max_learning_rate: LearningRate
    total_steps: Steps
    pct_start: Annotated[float, part, "0.3 is usual."] = 0.3
    div_factor: Annotated[float, positive, "25 is usual."] = 25.0
    final_div_factor: Annotated[float, positive, "10000 is usual."] = 1e4

    def __post_init__(self) -> None:
        if self.pct_start * self.total_steps <= 1:
            rule = f"leave the way up more than one step of total_steps={self.total_steps}"
            refuse("OneCycle.pct_start", rule, self.pct_start, "Take a larger share, or more steps.")

    def rate(self, step: int) -> float:
        self.__post_init__()  # again, since either number can have been assigned since
        if step >= self.total_steps:
            remedy = "Give epochs × batches per epoch as total_steps."
            refuse("OneCycle.step", f"be below total_steps={self.total_steps}", step, remedy)
        top, peak, last = self.max_learning_rate, self.pct_start * self.total_steps - 1, self.total_steps - 1
        start = top / self.div_factor
        if step <= peak:
            return top + (start - top) * half_wave(step / peak)
        end = start / self.final_div_factor
        return end + (top - end) * half_wave((step - peak) / (last - peak))
