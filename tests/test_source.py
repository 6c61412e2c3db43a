"""show_source: the formula and the lines, nothing else."""

import pytest
from concepts import LAYERS, LOSSES, OPTIMIZERS

import dlcourse as dl
from dlcourse.settings import Rate, check, positive, refuse, settings, whole


def test_momentum_shows_its_formula_and_its_update():
    code = dl.show_source(dl.Momentum)
    assert code.startswith(
        "# v ← μv − ηg\n# θ ← θ + v\nclass Momentum:\n    learning_rate = 0.01\n    momentum = 0.9\n"
    )
    assert code.endswith("self.v = self.momentum * self.v - lr * grad\n        theta += self.v\n        return theta")
    for noise in ('"""', "Annotated", "->", "@settings", "Polyak", ": Array"):
        assert noise not in code


def test_checks_are_left_out():
    assert "refuse" not in dl.show_source(dl.BatchNorm)
    assert "check_columns" not in dl.show_source(dl.L2)

    @settings
    class Picky:
        """Refuses.

        y ← x
        """

        learning_rate: Rate = 1.0

        def only_refuses(self, x: int) -> None:
            """Nothing else."""
            x = check("x", whole, x, "Take another.")
            check("x", positive, x, "Take another.")
            if x < 0:
                refuse("x", "be 0 or more", x, "Take another.")

    lines = ["# y ← x", "class Picky:", "    learning_rate = 1.0", "", "    def only_refuses(self, x):", "        pass"]
    assert dl.show_source(Picky).splitlines() == lines


@pytest.mark.parametrize("kind", [type(row.single()) for row in [*OPTIMIZERS, *LAYERS, *LOSSES]])
def test_every_concept_shows_code_that_compiles(kind):
    compile(dl.show_source(kind), "shown", "exec")


@pytest.mark.parametrize("kind", [row.make for row in OPTIMIZERS])
def test_every_rule_shows_its_formula(kind):
    assert dl.show_source(kind).startswith("# ")
    assert "θ ← θ" in dl.show_source(kind).partition("class")[0]


def test_functions_show_too():
    code = dl.show_source(dl.fans)
    assert code.startswith("# fan_in  = kh · kw · in") and "def fans(shape):" in code


def test_a_notebook_shows_it_with_colours():
    code = dl.show_source(dl.SGD)
    assert code._repr_markdown_() == f"```python\n{code}\n```"
    assert repr(code) == str(code)
