"""What a builder may need."""

from dataclasses import dataclass, field
from pathlib import Path

from agents.plan import CallPlan


@dataclass(frozen=True, slots=True)
class Material:
    plan: CallPlan
    folder: Path  # of the prepared plan
    key: str = field(repr=False)
