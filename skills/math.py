"""Arithmetic, worked out exactly where that is possible."""

from __future__ import annotations

import ast
import math as mathematics
import operator
from collections.abc import Callable
from fractions import Fraction

from otto import Expression, OttoError, skill, spoken

MAX_BITS = 8_192  # of an exact number: about 2,400 digits
MAX_FACTORIAL = 500
Value = Fraction | float


@skill(read_only=True, idempotent=True)
def math(question: Expression) -> str:
    """Work out arithmetic.

    Args:
        question: the arithmetic expression, such as "15 percent of 80"
    """
    try:
        value = evaluate(ast.parse(question, mode="eval").body)
        return f"That is {spoken.number(value)}."
    except ZeroDivisionError:
        raise OttoError("Nothing can be divided by zero", "ask with another number") from None
    except OverflowError:
        raise _too_large() from None


def evaluate(node: ast.expr) -> Value:
    """The value of a parsed expression: a fraction as long as it is exact, else a float.

    Raises:
        OttoError: it is too large, has no real value, or is no arithmetic.
        ZeroDivisionError, OverflowError: as Python's own arithmetic.
    """
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return _limited(Fraction(repr(node.value)))
    if isinstance(node, ast.Name) and node.id == "pi":
        return mathematics.pi
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -evaluate(node.operand)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return _power(evaluate(node.left), evaluate(node.right))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _limited(_OPERATORS[type(node.op)](evaluate(node.left), evaluate(node.right)))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS and len(node.args) == 1:
        return _limited(_FUNCTIONS[node.func.id](evaluate(node.args[0])))
    raise OttoError("This is not arithmetic", "ask with numbers, plus, minus, times, divided by, powers and roots")


def _power(base: Value, exponent: Value) -> Value:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        small = abs(base) in (0, 1) or _bits(base) * abs(exponent) <= MAX_BITS
        if exponent.denominator == 1 and small:
            return base ** int(exponent)
        if exponent.numerator == 1:
            return _root(base, exponent.denominator)
    result = float(base) ** float(exponent)
    if isinstance(result, complex):
        raise _not_real()
    return result


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    """The root where it is a fraction, None where it is not (or too large to tell)."""
    if degree > 64 or _bits(value) > 1_000:  # beyond this a float overflows
        return None
    above, below = (round(abs(part) ** (1 / degree)) for part in (value.numerator, value.denominator))
    root = Fraction(above if value >= 0 else -above, below)
    return root if root**degree == value else None


def _root(value: Value, degree: int) -> Value:
    """Odd roots of negative numbers are negative."""
    if value < 0 and degree % 2 == 0:
        raise _not_real()
    exact = _exact_root(value, degree) if isinstance(value, Fraction) else None
    return mathematics.copysign(abs(float(value)) ** (1 / degree), value) if exact is None else exact


def _factorial(value: Value) -> Fraction:
    if value < 0 or value != int(value):
        raise OttoError("Only whole numbers from zero up have a factorial", "ask with one of those")
    if value > MAX_FACTORIAL:
        raise _too_large()
    return Fraction(mathematics.factorial(int(value)))


def _logarithm(function: Callable[[float], float]) -> Callable[[Value], Value]:
    def logarithm(value: Value) -> Value:
        if value <= 0:
            raise OttoError("Only numbers above zero have a logarithm", "ask with one of those")
        whole = isinstance(value, Fraction) and value.denominator == 1  # whole numbers may be larger than a float can be
        return function(int(value) if whole else float(value))

    return logarithm


def _of_angle(function: Callable[[float], float]) -> Callable[[Value], Value]:
    def of_angle(value: Value) -> Value:
        result = function(float(value))
        if abs(result) > 1e15:
            raise OttoError("A right angle has no tangent", "ask for another angle")
        return round(result, 15)  # pi is never exact: its sine is 0, not 1e-16

    return of_angle


def _limited(value: Value) -> Value:
    """A fraction that grew too long goes on as a float. Raises OttoError, OverflowError where that is too large."""
    if isinstance(value, Fraction) and _bits(value) > MAX_BITS:
        value = float(value)
    if isinstance(value, float) and not mathematics.isfinite(value):
        raise _too_large()
    return value


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _too_large() -> OttoError:
    return OttoError("That number is too large to work out", "ask with smaller ones")


def _not_real() -> OttoError:
    return OttoError("Negative numbers have no such root", "ask with a positive one")


_OPERATORS: dict[type[ast.operator], Callable[[Value, Value], Value]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
_FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "sqrt": lambda value: _root(value, 2),
    "cbrt": lambda value: _root(value, 3),
    "abs": abs,
    "factorial": _factorial,
    "ln": _logarithm(mathematics.log),
    "log10": _logarithm(mathematics.log10),
    "log2": _logarithm(mathematics.log2),
    "sin": _of_angle(mathematics.sin),
    "cos": _of_angle(mathematics.cos),
    "tan": _of_angle(mathematics.tan),
}
