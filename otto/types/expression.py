"""Expression: arithmetic as it is said, written down as infix. It is read here and evaluated by the skill that asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from otto.types import words
from otto.types.base import SpokenText
from otto.types.words import ARTICLES, END, read_number

_ADD, _MUL, _NEG, _POW, _ATOM = range(5)  # how tightly the outermost operator of a term binds
_MAX_BRACKETS = 3  # inside one another, in the canonical text
_MAX_NESTING = 12  # of "half of the square root of …"

_FUNCTIONS = ("sqrt", "cbrt", "factorial", "abs", "sin", "cos", "tan", "ln", "log10", "log2")
_SAID_FUNCTIONS = {name: name for name in _FUNCTIONS[:-2]} | {"logten": "log10", "logtwo": "log2"}  # as one token each
_ORDINALS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth"
    " fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
_POWER_OF = re.compile(rf"\b(?:raised )?to the ({'|'.join(_ORDINALS)}|[0-9]+(?:st|nd|rd|th))(?: power)?\b")
_ROOT_OF = re.compile(rf"\b({'|'.join(_ORDINALS[4:])}|[0-9]+th) root of (\S+)")

_PHRASES = {
    "to the power of": "**", "raised to the power of": "**", "raised to the": "**", "to the power": "**",
    "raised to": "**",
    "^": "**", "multiplied by": "*", "multiplied with": "*", "times by": "*", "divided by": "/", "divide by": "/",
    "divided into": "into", "take away": "-", "added to": "+", "added together": "", "modulo": "mod", "modulus": "mod",
    "per cent": "percent", "percentage": "percent",
    "open parenthesis": "(", "open parentheses": "(", "open paren": "(", "open bracket": "(", "open brackets": "(",
    "close parenthesis": ")", "close parentheses": ")", "close paren": ")", "close bracket": ")", "close brackets": ")",
    "left parenthesis": "(", "right parenthesis": ")",
    "square root of": "sqrt", "square root": "sqrt", "sq root of": "sqrt", "root of": "sqrt", "root": "sqrt",
    "cube root of": "cbrt", "cubed root of": "cbrt", "cubic root of": "cbrt", "cube root": "cbrt",
    "factorial of": "factorial",
    "squared root of": "sqrt", "absolute value of": "abs", "sine": "sin", "cosine": "cos", "tangent": "tan",
    "natural logarithm": "ln", "natural log": "ln", "log base two": "logtwo", "log base 2": "logtwo",
    "log two": "logtwo",
    "log base ten": "logten", "log base 10": "logten", "logarithm": "logten", "log": "logten", "log10": "logten",
    "log2": "logtwo",
}  # fmt: skip
_PHRASE = re.compile(
    "|".join(
        (rf"\b{re.escape(phrase)}\b" if phrase.isalnum() or " " in phrase else re.escape(phrase))
        for phrase in sorted(_PHRASES, key=len, reverse=True)
    )
)
_HINT = re.compile("|".join(["[0-9]", "half", "pi", "third", "quarter", *words.SMALL, *words.TENS, *words.GROUPS]))
_LEAD = re.compile(
    r"^(?:(?:what(?:'s| is| are)|whats|how much(?: is| are|'s)|calculate|compute|work out|figure"
    " out|find|solve|evaluate|tell me"
    r"|the (?:result|value|answer) (?:of|to)|result of|value of|the|is|um|uh|so|please)\s+)+"
)
_SUMS = {"+": "+", "plus": "+", "add": "+", "-": "-", "minus": "-", "less": "-", "subtract": "-"}
_PRODUCTS = {"*": "*", "x": "*", "times": "*", "/": "/", "over": "/", "mod": "%"}
_POSTFIXES = {"squared": "2", "cubed": "3"}


class Expression(SpokenText):
    """Arithmetic: "three squared plus nine" is `3 ** 2 + 9`, "15 percent of 80" is `15 / 100 * 80`.

    A percentage that is added or taken away is of what it is added to, as on a calculator: "60 plus 10 percent" is
    `60 * (1 + 10 / 100)`. A bare number is no expression. Angles are in radians unless "degrees" is said.
    """

    __slots__ = ()
    description = "an arithmetic expression such as '3 ** 2 + 9'"
    samples = (
        "three squared plus nine", "15 percent of 80", "square root of 144", "12*(3+4)", "half of 90", "2^10",
        "two plus two",
        "seven times eight minus two", "ten divided by four", "100 over 7", "the sum of 3 and 4",
        "the product of six and nine",
        "the difference between 9 and 4", "12 mod 5", "five factorial", "double 45", "the cube root of 27", "19 x 23",
        "two to the power of eight", "three to the fourth power", "1.5 * 40", "3/4 + 1/8",
        "twenty percent of two hundred and fifty",
        "a third of 90", "minus five plus twelve", "six point five times four", "81 divided by nine", "1024 / 16 - 3",
        "four hundred and twelve minus ninety", "sixty plus 9 percent", "multiply 6 by 7", "subtract 5 from 12",
        "(8+2)*5",
    )  # fmt: skip

    @classmethod
    def normalise(cls, said: str) -> str | None:
        """The canonical infix text, or None."""
        if not _HINT.search(said) and not _HINT.search(words.plain(said)):
            return None
        text = _LEAD.sub("", words.plain(said).strip(" .,?=:\"'"))
        text = _POWER_OF.sub(_as_power, text)
        text = _ROOT_OF.sub(_as_root, text)
        text = _PHRASE.sub(lambda match: f" {_PHRASES[match[0]]} ", text)
        tokens = [token for token in words.tokens_of(text) if token != "the"]
        if len(tokens) < 3 and tokens[0] != "pi":
            return None
        try:
            written = _Reader(tokens).read()
        except _NotArithmetic:
            return None
        return written if _brackets(written) <= _MAX_BRACKETS and not _LITERAL.fullmatch(written.lstrip("-")) else None

    @classmethod
    def jsgf(cls) -> str:
        """Rules of one or two operations on numbers up to 999."""
        return (
            "<Expression> = <Expression_term> (<Expression_sum> | <Expression_product>) <Expression_term>"
            " [<Expression_sum> <Expression_term>] | <Expression_of> [<Expression_sum> <Expression_term>]"
            " | <Expression_number> (squared | cubed);\n"
            "<Expression_term> = <Expression_number> [squared | cubed];\n"
            "<Expression_number> = <Expression_999> [point <Expression_unit>];\n"
            "<Expression_sum> = plus | minus;\n"
            "<Expression_product> = times | multiplied by | divided by | over | to the power of;\n"
            "<Expression_of> = (<Expression_99> percent of | [the] square root of | [the] cube root of | half of |"
            " a third of"
            " | a quarter of | double | twice) <Expression_number>;\n"
        ) + words.jsgf_numbers("Expression")


_NUMBER = r"[0-9]{1,30}(\.[0-9]{1,15})?"
_LITERAL = re.compile(_NUMBER)


def _build_pattern() -> str:
    """Brackets to a fixed depth, since a regular expression cannot count them."""
    function, operator = f"({'|'.join(_FUNCTIONS)})", r"( (\+|-|\*|/|\*\*) -?| % )"
    inner = f"({_NUMBER}|pi)"
    for _ in range(_MAX_BRACKETS):
        chain = f"-?{inner}({operator}{inner})*"
        inner = f"({_NUMBER}|pi|{function}?\\({chain}\\))"
    innermost = f"({_NUMBER}|pi|{function}\\(-?({_NUMBER}|pi)\\))"
    operation = f"-?{inner}({operator}{inner})+"
    return f"({operation}|-?{function}\\({chain}\\)|-\\(-?{innermost}({operator}{innermost})+\\)|-?pi)"


Expression.pattern = _build_pattern()


class _NotArithmetic(ValueError):
    """What was said is no arithmetic."""


class _Term(NamedTuple):
    text: str
    level: int  # how tightly its outermost operator binds
    percent: bool = False  # a bare percentage, which "plus" takes of what is before it
    ratio: bool = False  # two operands with a stroke between, which may be "of" something
    negates: _Term | None = None  # what its sign stands before

    def within(self, level: int) -> str:
        """The text, in brackets where it binds less tightly than `level`."""
        return self.text if self.level >= level else f"({self.text})"


class _Reader:
    """A recursive descent over the tokens. Chains are read in loops; only nesting recurses, to a fixed depth."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = [*tokens, END, END]
        self._at = 0
        self._depth = 0

    def read(self) -> str:
        verb = _VERBS.get(self._next)
        term = verb(self) if verb else self._sum()
        while self._take("then", ",") or self._next == "and":
            self._take("and")
            self._take("then")
            term = self._continued(term)
        if self._next != END:
            raise _NotArithmetic
        return term.text

    @property
    def _next(self) -> str:
        return self._tokens[self._at]

    def _take(self, *words_taken: str) -> bool:
        found = self._next in words_taken and self._next != END
        self._at += found
        return found

    def _expect(self, *words_expected: str) -> None:
        if not self._take(*words_expected):
            raise _NotArithmetic

    def _continued(self, term: _Term) -> _Term:
        """ "… then multiply by four": an operation on all that was said before."""
        operator = _CONTINUATIONS.get(self._next)
        if operator is None:
            raise _NotArithmetic
        self._at += 1
        self._take("by", "it", "that")
        self._take("by")
        return _joined(term, operator, self._product())

    def _sum(self) -> _Term:
        left = self._product()
        while (operator := _SUMS.get(self._next)) is not None:
            self._at += 1
            left = _joined(left, operator, self._product())
        return left

    def _product(self) -> _Term:
        left = self._unary()
        while True:
            if self._take("into"):
                left = _joined(self._unary(), "/", left)
            elif left.ratio and self._take("of"):
                left = _joined(left, "*", self._unary())
            elif (operator := _PRODUCTS.get(self._next)) or (self._next == "%" and (operator := "%")):
                self._at += 1
                left = _joined(left, operator, self._unary())._replace(ratio=operator == "/")
            else:
                return left

    def _unary(self) -> _Term:
        self._depth += 1
        if self._depth > _MAX_NESTING:
            raise _NotArithmetic
        chain = [self._signed()]
        while self._take("**"):
            chain.append(self._signed())
        self._depth -= 1
        negative, term = chain.pop()
        term = _negated(term) if negative else term
        for negative, base in reversed(chain):
            term = _Term(f"{base.within(_ATOM)} ** {term.within(_NEG)}", _POW)
            term = _negated(term) if negative else term
        return term

    def _signed(self) -> tuple[bool, _Term]:
        negative = False
        while self._take("-", "minus", "negative"):
            negative = not negative
        self._take("+")
        return negative, self._postfix()

    def _postfix(self) -> _Term:
        term = self._atom()
        while True:
            if self._next in _POSTFIXES:
                term = _Term(f"{term.within(_ATOM)} ** {_POSTFIXES[self._next]}", _POW)
            elif self._next in ("!", "factorial"):
                term = _Term(f"factorial({term.text})", _ATOM)
            elif self._next == "percent" or (self._next == "%" and not self._starts_operand(self._at + 1)):
                return self._percent(term)
            elif self._next in ("degrees", "degree"):
                term = _Term(f"{term.within(_MUL)} / 180 * pi", _MUL)
            else:
                return term
            self._at += 1

    def _percent(self, term: _Term) -> _Term:
        self._at += 1
        share = _Term(f"{term.within(_MUL)} / 100", _MUL, percent=True)
        if self._take("off"):
            self._take("of")
            return _joined(self._unary(), "-", share)
        return _joined(share, "*", self._unary()) if self._take("of") else share

    def _starts_operand(self, at: int) -> bool:
        token = self._tokens[at]
        return token in _PREFIXES or token in ("(", "pi") or read_number(self._tokens, at, compound=False) is not None

    def _atom(self) -> _Term:
        word = self._next
        if word in _PREFIXES:
            self._at += 1
            return _PREFIXES[word](self)
        if self._take("(", "bracket"):
            inner = self._sum()
            self._expect(")", "bracket")
            return inner._replace(percent=False)
        if self._take("pi"):
            return _Term("pi", _ATOM)
        return self._number()

    def _number(self) -> _Term:
        read = read_number(self._tokens, self._at, compound=False)
        start = self._at
        if read is None or (self._next in ARTICLES and read[1] == start + 1):
            raise _NotArithmetic
        value, self._at = read
        text = words.digits(value)
        as_part = value.denominator != 1 and (text is None or value < 1) and self._tokens[start] != "point"
        if as_part and not any(token == "point" or "." in token for token in self._tokens[start : self._at]):
            return self._part(value.numerator, value.denominator)
        if text is None or not _LITERAL.fullmatch(text):
            raise _NotArithmetic
        return _Term(text, _ATOM)

    def _part(self, above: int, below: int) -> _Term:
        """ "three quarters", and what it is of."""
        if not self._take("of"):
            return _Term(f"{above} / {below}", _MUL)
        whole = self._unary()
        if above == 1:
            return _Term(f"{whole.within(_MUL)} / {below}", _MUL)
        return _joined(_Term(f"{above} / {below}", _MUL), "*", whole)

    def function(self, name: str) -> _Term:
        """The argument of a function: what stands in its brackets, else up to the next plus or times."""
        self._take("of")
        argument = self._atom() if self._next == "(" else self._unary()
        return _Term(f"{name}({argument.text})", _ATOM)

    def power(self, exponent: str) -> _Term:
        self._take("of")
        return _Term(f"{self._unary().within(_ATOM)} ** {exponent}", _POW)

    def multiple(self, factor: int) -> _Term:
        self._take("of")
        return _joined(_Term(str(factor), _ATOM), "*", self._unary())

    def listed(self, operator: str) -> _Term:
        """ "sum of 3, 4 and 5"."""
        self._expect("of", "between")
        terms = self._list()
        term = terms[0]
        for other in terms[1:]:
            term = _joined(term, operator, other)
        return term._replace(percent=False)

    def average(self) -> _Term:
        self._expect("of")
        terms = self._list()
        total = " + ".join(term.within(_MUL) for term in terms)
        return _Term(f"({total}) / {len(terms)}", _MUL)

    def remainder(self) -> _Term:
        self._expect("of", "when")
        dividend = self._unary()
        self._take("is")
        self._expect("/", "and")
        return _joined(dividend, "%", self._unary())

    def _list(self) -> list[_Term]:
        terms = [self._product()]
        while self._take(",", "and", "from", "with"):
            self._take("and")
            terms.append(self._product())
        if len(terms) < 2:
            raise _NotArithmetic
        return terms

    def two_operands(self, operator: str, swapping: tuple[str, ...], joining: tuple[str, ...]) -> _Term:
        """ "subtract 5 from 12": the words of `swapping` put the second operand first."""
        self._at += 1
        first = self._product()
        self._take("away")
        if self._take(*swapping):
            return _joined(self._product(), operator, first)
        self._expect(*joining)
        term = _joined(first, operator, self._product())
        while operator in "+*" and self._take(",", "and"):
            self._take("and")
            term = _joined(term, operator, self._product())
        return term

    def minus(self) -> _Term:
        """ "minus three plus four" is a sign; "minus three from ten" is a verb."""
        return self.two_operands("-", ("from",), ()) if "from" in self._tokens else self._sum()

    def skip_verb(self) -> _Term:
        self._at += 1
        return self._sum()


def _verb(operator: str, swapping: tuple[str, ...], joining: tuple[str, ...]) -> Callable[[_Reader], _Term]:
    return lambda reader: reader.two_operands(operator, swapping, joining)


def _function(name: str) -> Callable[[_Reader], _Term]:
    return lambda reader: reader.function(name)


_VERBS: dict[str, Callable[[_Reader], _Term]] = {
    "add": _verb("+", ("to",), ("and", ",", "with", "+", "plus")),
    "subtract": _verb("-", ("from",), ("and", ",")),
    "deduct": _verb("-", ("from",), ()),
    "take": _verb("-", ("from",), ("-", "minus")),
    "minus": lambda reader: reader.minus(),
    "multiply": _verb("*", (), ("by", "and", "with", "times", "*", ",")),
    "times": _verb("*", (), ("by", "and")),
    "divide": _verb("/", ("into",), ("by", "/", "between", "among")),
    "split": _verb("/", (), ("by", "between", "among")),
    "increase": _verb("+", (), ("by",)),
    "decrease": _verb("-", (), ("by",)),
    "reduce": _verb("-", (), ("by",)),
    "raise": lambda reader: reader.skip_verb(),
}
_PREFIXES: dict[str, Callable[[_Reader], _Term]] = {
    said: _function(name) for said, name in _SAID_FUNCTIONS.items()
} | {
    "square": lambda reader: reader.power("2"),
    "cube": lambda reader: reader.power("3"),
    "double": lambda reader: reader.multiple(2),
    "twice": lambda reader: reader.multiple(2),
    "triple": lambda reader: reader.multiple(3),
    "thrice": lambda reader: reader.multiple(3),
    "quadruple": lambda reader: reader.multiple(4),
    "sum": lambda reader: reader.listed("+"),
    "total": lambda reader: reader.listed("+"),
    "product": lambda reader: reader.listed("*"),
    "difference": lambda reader: reader.listed("-"),
    "quotient": lambda reader: reader.listed("/"),
    "average": lambda reader: reader.average(),
    "mean": lambda reader: reader.average(),
    "remainder": lambda reader: reader.remainder(),
}
_CONTINUATIONS = {
    "multiply": "*", "times": "*", "*": "*", "divide": "/", "/": "/", "add": "+", "plus": "+", "+": "+",
    "subtract": "-",
    "minus": "-", "-": "-", "take": "-",
}  # fmt: skip


def _negated(term: _Term) -> _Term:
    return term.negates or _Term(f"-{term.within(_NEG)}", _NEG, negates=term)


def _joined(left: _Term, operator: str, right: _Term) -> _Term:
    if operator in "+-":
        if right.percent and not left.percent:
            return _Term(f"{left.within(_MUL)} * (1 {operator} {right.text})", _MUL)
        return _Term(f"{left.text} {operator} {right.within(_MUL)}", _ADD)
    tight = _POW if operator == "%" else _NEG
    return _Term(f"{left.within(_MUL)} {operator} {right.within(tight)}", _MUL)


def _as_power(match: re.Match[str]) -> str:
    return f" ** {_ordinal(match[1])} "


def _as_root(match: re.Match[str]) -> str:
    return f"{match[2]} ** (1 / {_ordinal(match[1])})"


def _ordinal(word: str) -> str:
    return str(_ORDINALS.index(word)) if word in _ORDINALS else word[:-2]


def _brackets(text: str) -> int:
    depth = deepest = 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        deepest = max(deepest, depth)
    return deepest
