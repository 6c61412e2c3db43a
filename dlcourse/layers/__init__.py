"""Layers: what a network is made of."""

from dlcourse.layers.activations import GELU, Flatten, LeakyReLU, ReLU, Sigmoid, Tanh
from dlcourse.layers.base import Layer
from dlcourse.layers.dense import Dense

__all__ = ["GELU", "Dense", "Flatten", "Layer", "LeakyReLU", "ReLU", "Sigmoid", "Tanh"]
