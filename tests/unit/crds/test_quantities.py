"""Quantities as k8s.io/apimachinery reads them."""

from fractions import Fraction

import pytest

from finetune_api.quantity import amount


@pytest.mark.parametrize(
    ("spellings", "size"),
    [
        ((1, "1", "+1", "1.", "1.0", "01", "1000m", "1e0", "1E0", "1000000u", "1000000000n", ".001k"), Fraction(1)),
        (("500m", "0.5", ".5", "5e-1", "500000u", "0.0005k"), Fraction(1, 2)),
        (("1Gi", "1024Mi", "1048576Ki", "1073741824", 1073741824, "1.073741824G"), Fraction(2**30)),
        (("1.5e9", "1.5E9", "1500M", "1.5G", "15e+8"), Fraction(1_500_000_000)),
        (("1E", "1000P", "1e18", "1000000T"), Fraction(10**18)),
        (("1Ei", "1024Pi", "1048576Ti"), Fraction(2**60)),
        (("-2", -2, "-2000m"), Fraction(-2)),
        ((0, "0", "0Gi", "-0", "0e999999999999"), Fraction(0)),
        (("1n", "0.1n", "1e-99", "1e-999999999999"), Fraction(1, 10**9)),
        (("100E", "1e30", "1e999999999999", "9223372036854775807"), Fraction(2**63 - 1)),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else "",
)
def test_one_amount_has_many_spellings(spellings: tuple[int | str, ...], size: Fraction):
    assert {spelling: amount(spelling) for spelling in spellings} == dict.fromkeys(spellings, size)


@pytest.mark.parametrize(
    "text", ["", ".", "m", "1 Gi", " 1", "1\n", "1K", "1ki", "1gi", "1e", "1e1.5", "1e3Gi", "1Gi5", "--1", "1,5", "٣"]
)
def test_what_is_no_quantity_is_refused(text: str):
    with pytest.raises(ValueError, match=r"is no quantity; expected a number with a unit"):
        amount(text)
