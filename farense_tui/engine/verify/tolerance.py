"""How far two ways to compute the same may be apart, by what they are computed in and on.

A sum in another order differs by rounding. u is half the distance between 1 and the next number:
2^-24 in float32, 2^-11 in float16, 2^-8 in bfloat16 (IEEE 754; bfloat16 has float32's range).
Relative L2 differences of gradients come to some u's: 10 u in float32 and 1 u in 16 bits were
seen on a CPU, and several times that is allowed. On a GPU other kernels are chosen by the number
of rows, exp is less exact, and M5 multiplies float32 matrices with float16's precision. So a fault
is found in float32, where even a hundredth shows; in 16 bits it is seen that nothing breaks down.
"""

from __future__ import annotations

UNIT = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
_TF32 = 2.0**-11
_EXACT, _SHORT = 64, 8  # times u, on a CPU: in float32, in 16 bits
_GPU_EXACT, _GPU_SHORT = 1024, 32  # on a GPU
# Of M5 and A19: matrices of float32 go through units with ten bits of mantissa.
_SHORT_PRODUCTS = ("applegpu_g17",)

# Over a short run every update carries the difference of the one before it.
CURVE = {"float16": 0.02, "bfloat16": 0.1}


def tolerance(dtype: str, *, gpu: bool, architecture: str = "") -> float:
    """Give the largest relative difference that is rounding."""
    unit = UNIT[dtype]
    if dtype != "float32":
        return unit * (_GPU_SHORT if gpu else _SHORT)
    if gpu and architecture.startswith(_SHORT_PRODUCTS):
        return _TF32 * _SHORT
    return unit * (_GPU_EXACT if gpu else _EXACT)
