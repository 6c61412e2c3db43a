"""Live labs: pictures that retrain a network under their sliders."""

from dlcourse.labs.controls import Choice, Seed, Slider, Switch
from dlcourse.labs.lab import Frame, Lab

__all__ = ["Choice", "Frame", "Lab", "Seed", "Slider", "Switch"]
