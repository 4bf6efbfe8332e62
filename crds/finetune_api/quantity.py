"""Amounts as Kubernetes spells them, such as 500m, 1.5Gi or 1e3: one amount has many spellings."""

import math
import re
from fractions import Fraction
from functools import lru_cache

_NUMBER = r"(?P<sign>[+-]?)(?P<number>\d+\.?\d*|\.\d+)"
_SUFFIX = r"(?P<suffix>[KMGTPE]i|[numkMGTPE]|)"
_GRAMMAR = re.compile(rf"{_NUMBER}(?:[eE](?P<exponent>[+-]?\d+)|{_SUFFIX})", re.ASCII)
_FACTORS = {
    "": Fraction(1),
    **{unit: Fraction(1, 1000**power) for power, unit in enumerate("mun", start=1)},
    **{unit: Fraction(1000**power) for power, unit in enumerate("kMGTPE", start=1)},
    **{unit: Fraction(1024**power) for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)},
}
_PER_UNIT = 10**9
"""Amounts are rounded up to a billionth."""
_LARGEST = 2**63 - 1
_LARGEST_EXPONENT = 400
"""Beyond it nothing that fits the API server's limits is told apart, and the power would not fit the memory."""


def amount(quantity: int | str) -> Fraction:
    """Return the amount, by the grammar and the limits of k8s.io/apimachinery's resource.Quantity.

    Equal amounts compare equal, however they are spelt: 500m and 0.5, 1Gi and 1024Mi, 1 and "1". Raises ValueError.
    """
    found = _GRAMMAR.fullmatch(str(quantity))
    if found is None:
        raise ValueError(f"{quantity!r} is no quantity; expected a number with a unit, such as 2, 500m or 8Gi")
    size = Fraction(found["number"]) * _factor(found)
    size = min(Fraction(math.ceil(size * _PER_UNIT), _PER_UNIT), Fraction(_LARGEST))
    return -size if found["sign"] == "-" else size


@lru_cache(maxsize=1024)
def canonical(quantity: int | str) -> str:
    """Return the one shortest spelling of an amount, in whole units: 500m, 1Gi. Raises ValueError."""
    size = amount(quantity)
    counts = {unit: size / factor for unit, factor in _FACTORS.items()}
    spellings = [f"{count}{unit}" for unit, count in counts.items() if count.denominator == 1]
    return min(spellings, key=lambda spelling: (len(spelling), spelling))


def _factor(found: re.Match[str]) -> Fraction:
    if found["exponent"] is None:
        return _FACTORS[found["suffix"]]
    exponent = int(found["exponent"])
    return Fraction(10) ** max(-_LARGEST_EXPONENT, min(_LARGEST_EXPONENT, exponent))
