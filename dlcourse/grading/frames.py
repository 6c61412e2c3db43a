"""Messages between the grader and a worker that is not trusted: plain data, in frames that cannot do anything.

A frame is two lengths, a JSON header, and the raw bytes of its arrays:

    header length (8 bytes) | data length (8 bytes) | header | data

Both lengths are compared with a limit before anything is read, every array must lie within the data, and all data must
be used. Nothing is unpickled. The standard library and NumPy only: the worker uses this file too.
"""

import dataclasses
import json
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

LENGTHS = struct.Struct("<QQ")
KINDS = {"|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"}
DEEPEST, DIMENSIONS = 16, 32

Makers = Mapping[str, Callable[..., Any]]


class Nonsense(Exception):
    """What came is no frame."""


def pack(value: Any) -> bytes:
    """None, numbers, texts, arrays, lists, tuples, dicts with text keys and dataclasses of these, as one frame."""
    data: list[bytes] = []
    header = json.dumps(flat(value, data)).encode()
    return b"".join([LENGTHS.pack(len(header), sum(map(len, data))), header, *data])


def flat(value: Any, data: list[bytes]) -> Any:
    """What JSON can hold; the bytes of arrays go to the end of data."""
    if isinstance(value, np.ndarray):
        kind = value.dtype.newbyteorder("<")
        array = value.astype(kind if kind.str in KINDS else "<f8")
        data.append(array.tobytes())
        return {"array": [array.dtype.str, list(array.shape)]}
    if isinstance(value, tuple | list):
        return {type(value).__name__: [flat(v, data) for v in value]}
    if isinstance(value, dict):
        return {"dict": {key: flat(v, data) for key, v in value.items()}}
    if dataclasses.is_dataclass(value):
        fields = [getattr(value, field.name) for field in dataclasses.fields(value)]
        return {type(value).__name__: [flat(v, data) for v in fields]}
    return value


def unpack(header: bytes, data: bytes, makers: Makers | None = None) -> Any:
    """The value of a frame; raises Nonsense. makers: what builds a dataclass of that name; others are refused."""
    try:
        reader = Reader(data, makers or {})
        value = reader.value(json.loads(header), 0)
    except Nonsense:
        raise
    except Exception as error:  # whatever a hostile header brings about, RecursionError and MemoryError among it
        raise Nonsense(type(error).__name__) from None
    if reader.used != len(data):
        raise Nonsense("data left over")
    return value


class Reader:
    def __init__(self, data: bytes, makers: Makers):
        self.data, self.makers, self.used = data, makers, 0

    def value(self, tree: Any, depth: int) -> Any:
        if depth > DEEPEST:
            raise Nonsense("too deep")
        if not isinstance(tree, dict):
            if isinstance(tree, list):
                raise Nonsense("a bare list")
            return tree
        ((name, inside),) = tree.items()
        if name == "array":
            return self.array(*inside)
        if name == "dict":
            return {key: self.value(v, depth + 1) for key, v in inside.items()}
        parts = [self.value(v, depth + 1) for v in inside]
        if name in ("tuple", "list"):
            return tuple(parts) if name == "tuple" else parts
        return self.makers[name](*parts)

    def array(self, kind: str, shape: list[int]) -> np.ndarray:
        whole = all(type(n) is int and 0 <= n < 2**40 for n in shape)
        if kind not in KINDS or len(shape) > DIMENSIONS or not whole:
            raise Nonsense("no plain array")
        count = math.prod(shape)
        end = self.used + count * np.dtype(kind).itemsize
        if end > len(self.data):
            raise Nonsense("an array longer than its data")
        stored = "|u1" if kind == "|b1" else kind  # any byte but 0 and 1 would make no true bool
        array = np.frombuffer(self.data, stored, count, self.used).reshape(shape)
        self.used = end
        return array != 0 if kind == "|b1" else array.copy()
