"""Vectors of eight float32 inside Numba kernels.

LLVM's own vectoriser must prove that matrices do not overlap before it may vectorise an update in
place, and gives up on the kernels of this package. These few operations say it outright: each is
one or two instructions where the processor has AVX, and correct where it has not.
"""

from __future__ import annotations

from typing import Any

import numba.extending
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import models, register_model

intrinsic: Any = numba.extending.intrinsic

WIDTH = 8
_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, WIDTH)
_INTEGER = ir.IntType(32)
_LANES = ir.VectorType(_INTEGER, WIDTH)


class Float32x8Type(types.Type):
    """Numba's type of eight float32 in a register."""

    def __init__(self):
        super().__init__(name="float32x8")


float32x8 = Float32x8Type()


@register_model(Float32x8Type)
class _Float32x8Model(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, _VECTOR)


def _address(context, builder, array_type, array, position):
    data = context.make_array(array_type)(context, builder, value=array).data
    return builder.gep(data, [position], inbounds=True)


@intrinsic
def load(typingctx, array, position):
    """`array[position : position + 8]` of a one-dimensional float32 array."""

    def generate(context, builder, signature, args):
        pointer = _address(context, builder, signature.args[0], args[0], args[1])
        pointer = builder.bitcast(pointer, _VECTOR.as_pointer())
        return builder.load(pointer, align=4)

    return float32x8(array, types.intp), generate


@intrinsic
def store(typingctx, array, position, value):
    """Write `value` to `array[position : position + 8]`."""

    def generate(context, builder, signature, args):
        pointer = _address(context, builder, signature.args[0], args[0], args[1])
        pointer = builder.bitcast(pointer, _VECTOR.as_pointer())
        builder.store(args[2], pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


def _spread(builder, scalar):
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    single = builder.insert_element(undefined, scalar, ir.Constant(_INTEGER, 0))
    return builder.shuffle_vector(single, undefined, ir.Constant(_LANES, [0] * WIDTH))


@intrinsic
def splat(typingctx, scalar):
    """Eight times `scalar`."""

    def generate(context, builder, signature, args):
        return _spread(builder, args[0])

    return float32x8(types.float32), generate


@intrinsic
def load_splat(typingctx, array, position):
    """Eight times `array[position]`."""

    def generate(context, builder, signature, args):
        pointer = _address(context, builder, signature.args[0], args[0], args[1])
        return _spread(builder, builder.load(pointer, align=4))

    return float32x8(array, types.intp), generate


def _binary(name, doc):
    @intrinsic
    def operation(typingctx, x, y):
        def generate(context, builder, signature, args):
            if name in ("minnum", "maxnum"):
                function = cgutils.get_or_insert_function(
                    builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 2), f"llvm.{name}.v8f32"
                )
                return builder.call(function, args, fastmath=("nnan",))
            return getattr(builder, name)(*args)

        return float32x8(x, y), generate

    operation.__doc__ = doc
    return operation


subtract = _binary("fsub", "`x - y`.")
multiply = _binary("fmul", "`x * y`.")
divide = _binary("fdiv", "`x / y`.")
minimum = _binary("minnum", "The smaller of `x` and `y`; neither may be NaN.")
maximum = _binary("maxnum", "The larger of `x` and `y`; neither may be NaN.")


@intrinsic
def fma(typingctx, x, y, z):
    """`x * y + z`, fused where the processor can."""

    def generate(context, builder, signature, args):
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), "llvm.fmuladd.v8f32"
        )
        return builder.call(function, args)

    return float32x8(x, y, z), generate


@intrinsic
def inverse_square_root(typingctx, x):
    """`1 / sqrt(x)` for x > 0, within 4e-7 of it: an estimate with one step of Newton's method."""

    def generate(context, builder, signature, args):
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), "llvm.sqrt.v8f32"
        )
        root = builder.call(function, args, fastmath=("fast",))
        one = ir.Constant(_VECTOR, [1.0] * WIDTH)
        return builder.fdiv(one, root, flags=("fast",))

    return float32x8(x), generate


def _reduction(name, start, doc):
    @intrinsic
    def operation(typingctx, x):
        def generate(context, builder, signature, args):
            function = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(_FLOAT, [_VECTOR] if start is None else [_FLOAT, _VECTOR]),
                f"llvm.vector.reduce.{name}.v8f32",
            )
            first = [] if start is None else [ir.Constant(_FLOAT, start)]
            return builder.call(function, [*first, args[0]], fastmath=("reassoc", "nnan"))

        return types.float32(x), generate

    operation.__doc__ = doc
    return operation


total = _reduction("fadd", 0.0, "The sum of the eight, in any order: a float32.")
lowest = _reduction("fmin", None, "The smallest of the eight; none may be NaN.")


@intrinsic
def product(typingctx, x):
    """The product of the eight, in any order: a float64, which eight float32 cannot underflow."""

    def generate(context, builder, signature, args):
        double = ir.DoubleType()
        wide = ir.VectorType(double, WIDTH)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(double, [double, wide]), "llvm.vector.reduce.fmul.v8f64"
        )
        return builder.call(
            function,
            [ir.Constant(double, 1.0), builder.fpext(args[0], wide)],
            fastmath=("reassoc",),
        )

    return types.float64(x), generate


@intrinsic
def prefetch(typingctx, array, position):
    """Ask for the cache line of `array[position]`, to be written soon."""

    def generate(context, builder, signature, args):
        pointer = _address(context, builder, signature.args[0], args[0], args[1])
        byte_pointer = ir.IntType(8).as_pointer()
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte_pointer, _INTEGER, _INTEGER, _INTEGER]),
            "llvm.prefetch.p0",
        )
        flags = [ir.Constant(_INTEGER, value) for value in (1, 3, 1)]  # write, keep, data
        builder.call(function, [builder.bitcast(pointer, byte_pointer), *flags])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate
