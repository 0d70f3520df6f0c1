"""A plugin for a coffee machine: an ordinary skill whose parameters are all choices."""

from __future__ import annotations

from typing import Literal

from otto import skill

Size = Literal["small", "medium", "large", "eight ounce", "twelve ounce", "sixteen ounce", "twenty ounce"]
Roast = Literal["light roast", "medium roast", "dark roast"]
Shots = Literal["single shot", "double shot", "triple shot"]
Drink = Literal[
    "americano", "cappuccino", "espresso", "iced mocha", "latte", "mocha", "coffee", "drip coffee", "house coffee", "iced coffee"
]  # fmt: skip
Milk = Literal[
    "milk", "a little bit of milk", "a bit of milk", "some milk", "a lot of milk", "lots of milk",
    "skim milk", "a little bit of skim milk", "a bit of skim milk", "some skim milk", "a lot of skim milk", "lots of skim milk",
    "whole milk", "a little bit of whole milk", "a bit of whole milk", "some whole milk", "a lot of whole milk", "lots of whole milk",
    "soy milk", "a little bit of soy milk", "a bit of soy milk", "some soy milk", "a lot of soy milk", "lots of soy milk",
    "almond milk", "a little bit of almond milk", "a bit of almond milk", "some almond milk", "a lot of almond milk", "lots of almond milk",
    "cream", "a little bit of cream", "a bit of cream", "some cream", "a lot of cream", "lots of cream",
]  # fmt: skip
Sugar = Literal[
    "sugar", "a little bit of sugar", "a bit of sugar", "some sugar", "a lot of sugar", "lots of sugar",
    "brown sugar", "a little bit of brown sugar", "a bit of brown sugar", "some brown sugar", "a lot of brown sugar", "lots of brown sugar",
    "sweetener", "a little bit of sweetener", "a bit of sweetener", "some sweetener", "a lot of sweetener", "lots of sweetener",
]  # fmt: skip


@skill
def orderDrink(
    coffeeDrink: Drink,
    size: Size | None = None,
    roast: Roast | None = None,
    numberOfShots: Shots | None = None,
    milkAmount: Milk | None = None,
    sugarAmount: Sugar | None = None,
) -> str:
    """Order a drink from the coffee machine."""
    ordered = " ".join(part for part in (size, numberOfShots, roast, coffeeDrink) if part)
    extras = " and ".join(part for part in (milkAmount, sugarAmount) if part)
    return f"Making {ordered}{' with ' + extras if extras else ''}."
