"""Amounts as people read them. Pure."""

from decimal import Decimal

_SMALL = Decimal("0.0001")


def usd(amount: Decimal) -> str:
    """“12.30 USD”; small ones with as many places as they need."""
    if amount == 0:
        return "0.00 USD"
    if abs(amount) >= 1:
        return f"{amount:,.2f} USD"
    return f"{amount:.6f} USD" if abs(amount) < _SMALL else f"{amount:.4f} USD"
