"""Cloud providers against servers of one's own, for the operator's own traffic. Pure."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

HOURS_A_MONTH = Decimal("730.5")  # 365.25 × 24 / 12


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnServer:
    """The operator's figures."""

    rent_usd: Decimal  # a month, each
    watts: Decimal = Decimal(0)  # on average, each; 0 if the rent contains the power
    kwh_usd: Decimal = Decimal(0)
    boxes: int = 1

    @property
    def power_usd(self) -> Decimal:
        return self.boxes * self.watts / 1000 * HOURS_A_MONTH * self.kwh_usd

    @property
    def month_usd(self) -> Decimal:
        return self.boxes * self.rent_usd + self.power_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    minutes: Decimal  # a month
    cloud_minute: Decimal | None  # USD; None: nobody knows
    own_month: Decimal

    @property
    def cloud_month(self) -> Decimal | None:
        return None if self.cloud_minute is None else self.cloud_minute * self.minutes

    @property
    def own_minute(self) -> Decimal | None:
        return self.own_month / self.minutes if self.minutes else None

    @property
    def break_even(self) -> int | None:
        """Minutes a month from which on one's own servers are cheaper; None: never."""
        if not self.cloud_minute:
            return None
        return int((self.own_month / self.cloud_minute).to_integral_value(ROUND_CEILING))

    @property
    def own_is_cheaper(self) -> bool | None:
        return None if self.cloud_month is None else self.own_month < self.cloud_month

    @property
    def difference(self) -> Decimal | None:
        return None if self.cloud_month is None else abs(self.own_month - self.cloud_month)
