"""What a builder may need."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agents.plan import CallPlan, PlanError
from agents.providers import PROVIDERS


@dataclass(frozen=True, slots=True)
class Material:
    plan: CallPlan
    folder: Path  # of the prepared plan
    key: str = field(repr=False)

    @property
    def language(self) -> str:
        """Without region, as “en” of “en-GB”."""
        return self.plan.language.partition("-")[0].lower()


class MissingExtra(PlanError):
    """A provider whose package is not among those every installation has."""

    def __init__(self, label: str, package: str) -> None:
        super().__init__(
            f"The provider “{label}” needs the package {package}. "
            f"Install it with “make extras”, then restart the worker."
        )


@contextmanager
def extra(slug: str) -> Iterator[None]:
    """Around the import of a plugin which may not be installed. Raises MissingExtra."""
    try:
        yield
    except ImportError as reason:
        provider = PROVIDERS[slug]
        raise MissingExtra(provider.label, provider.package) from reason
