"""Live labs: pictures that retrain a network under their sliders."""

from dlcourse.labs.controls import Choice, Seed, Slider, Switch
from dlcourse.labs.frame import Frame
from dlcourse.labs.lab import Lab

__all__ = ["Choice", "Frame", "Lab", "Seed", "Slider", "Switch"]
