"""What every schedule shares: a step goes in, a number comes out."""

import math
from typing import Annotated, Any

from dlcourse import settings
from dlcourse.settings import Rule, count, finite, is_column, is_number, is_whole, refuse

# A schedule gives one number, so its settings are numbers too, not columns with one for each lane.
positive, not_negative, share = (
    rule._replace(lanes=False) for rule in (settings.positive, settings.not_negative, settings.share)
)
flag = Rule("be True or False", lambda v: isinstance(v, bool))

LearningRate = Annotated[float, not_negative, "0.1 is a bold start, 0.01 a cautious one."]
Steps = Annotated[int, count, "It counts updates: epochs × batches per epoch."]
Share = Annotated[float, finite, "It is a share of the initial rate; 0 is usual."]


class Schedule:
    """The interface of every schedule. A subclass writes `rate`; one with a memory also `observe` and `reset`."""

    def __call__(self, step: int) -> float:
        """The rate of this step; step 0 is the first update."""
        name = type(self).__name__
        if not is_whole(step) or step < 0:
            refuse(f"{name}.step", "be a whole number, 0 or more", step, "Step 0 is the first update.")
        try:
            rate = self.rate(int(step))
        except (OverflowError, ZeroDivisionError):
            rate = math.inf
        if is_column(rate):  # Warmup(then=…) of a callable that gives each lane its own
            return rate
        if not is_number(rate):
            refuse(f"{name}({step})", "be a finite number", rate, f"It is a value of {self!r}.")
        return float(rate)

    def rate(self, step: int) -> Any:
        raise NotImplementedError
