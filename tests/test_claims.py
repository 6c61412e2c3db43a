"""A verdict is what the cases say, no more."""

import numpy as np
import pytest

from dlcourse.claims import judge
from dlcourse.settings import SettingError


@pytest.mark.parametrize(
    ("cases", "verdict", "held"),
    [([True, True], "confirmed", 2), ([True, False, False], "conditional", 1), ([False, False], "refuted", 0)],
)
def test_the_cases_give_the_verdict(cases, verdict, held):
    card = judge("It helps.", cases, "12 %.")
    assert (card.verdict, card.held, card.cases) == (verdict, held, len(cases))
    assert repr(card) == f"{verdict}, {held} of {len(cases)} cases: “It helps.” 12 %."
    assert f"**{verdict}**, {held} of {len(cases)} cases. 12 %." in card._repr_markdown_()


def test_cases_may_have_any_shape():
    assert judge("", np.array([[True, False], [True, True]]), "").held == 3
    assert judge("", True, "").cases == 1


@pytest.mark.parametrize("cases", [[], np.zeros(0, bool), [1, 0], [0.5], ["yes"]])
def test_without_cases_or_without_true_and_false_there_is_no_verdict(cases):
    with pytest.raises(SettingError, match=r"judge.cases must be True or False for each of one case or more"):
        judge("It helps.", cases, "")
