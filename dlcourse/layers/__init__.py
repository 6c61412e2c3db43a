"""Layers: what a network is made of."""

from dlcourse.layers.activations import GELU, Flatten, LeakyReLU, ReLU, Sigmoid, Tanh
from dlcourse.layers.base import Layer
from dlcourse.layers.convolution import Conv1D, Conv2D
from dlcourse.layers.dense import Dense
from dlcourse.layers.dropout import DropConnectDense, Dropout
from dlcourse.layers.normalization import BatchNorm, GroupNorm, LayerNorm
from dlcourse.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from dlcourse.layers.residual import Residual
from dlcourse.layers.weight_norm import WeightNormDense

__all__ = [
    "GELU", "AveragePool2D", "BatchNorm", "Conv1D", "Conv2D", "Dense", "DropConnectDense", "Dropout", "Flatten",
    "GlobalAveragePool2D", "GroupNorm", "Layer", "LayerNorm", "LeakyReLU", "MaxPool2D", "ReLU", "Residual", "Sigmoid",
    "Tanh", "WeightNormDense",
]  # fmt: skip
