"""Claims on trial: a sentence, the cases it was tried on, a verdict that the cases give, and the number."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dlcourse.settings import refuse


@dataclass(frozen=True)
class Verdict:
    """What an experiment says of a claim. Shown as a card; as text for everything that reads text."""

    claim: str
    verdict: str
    held: int
    cases: int
    evidence: str

    def __repr__(self) -> str:
        return f"{self.verdict}, {self.held} of {self.cases} cases: “{self.claim}” {self.evidence}"

    def _repr_markdown_(self) -> str:
        sign = {"confirmed": "✓", "conditional": "◐", "refuted": "✗"}[self.verdict]
        return (
            f"> **“{self.claim}”**\n>\n> {sign} **{self.verdict}**, {self.held} of {self.cases} cases. {self.evidence}"
        )


def judge(claim: str, cases: Any, evidence: str) -> Verdict:
    """Confirmed if the claim held in all cases, refuted if in none, conditional if in some.

    cases: booleans, one for each case it was tried on. evidence: the number, and the condition if there is one.
    Raises SettingError without cases: a claim that was not tried has no verdict.
    """
    held = np.asarray(cases).ravel()
    if not held.size or held.dtype != bool:
        refuse("judge.cases", "be True or False for each of one case or more", cases, "Compare the numbers first.")
    verdict = "confirmed" if held.all() else "conditional" if held.any() else "refuted"
    return Verdict(claim, verdict, int(held.sum()), held.size, evidence)
