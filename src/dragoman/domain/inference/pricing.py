"""What use costs: the operator's price table, and each use as priced lines."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dragoman.domain.messages.events import Usage

_MILLION = 1_000_000
_NOTHING: Mapping[str, "TokenPrice"] = MappingProxyType({})
_NO_USES: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """US dollars for a million tokens. ``cached`` None = as ``input``."""

    input: float = 0.0
    output: float = 0.0
    cached: float | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """One priced line: ``quantity`` of something at ``unit_price`` US dollars each."""

    item: str
    unit_price: float
    quantity: int
    description: str

    @property
    def amount(self) -> float:
        """What the line costs, in US dollars."""
        return self.unit_price * self.quantity


_FREE = TokenPrice()


class PriceTable:
    """Prices by a model's name in the catalogue, and by item for uses of anything else; what is not there costs nothing."""

    def __init__(
        self, models: Mapping[str, TokenPrice] = _NOTHING, uses: Mapping[str, float] = _NO_USES
    ) -> None:
        self._models = {name.casefold(): price for name, price in models.items()}
        self._uses = dict(uses)

    def of(self, model: str) -> TokenPrice:
        """The price of a model's tokens."""
        return self._models.get(model.casefold(), _FREE)

    def charges(self, item: str, model: str, usage: Usage) -> tuple[Charge, ...]:
        """The lines of one answer: the prompt's tokens without the cached ones, the cached ones, the answer's.

        ``item`` names what was done; each line appends the kind of its tokens.
        """
        price = self.of(model)
        fresh = max(0, usage.prompt_tokens - usage.cached_tokens)
        cached = price.input if price.cached is None else price.cached
        lines = (
            Charge(f"{item}.in", price.input / _MILLION, fresh, f"{model}: input tokens"),
            Charge(
                f"{item}.in.cached", cached / _MILLION, usage.cached_tokens, f"{model}: cached input tokens"
            ),
            Charge(
                f"{item}.out", price.output / _MILLION, usage.completion_tokens, f"{model}: output tokens"
            ),
        )
        return tuple(line for line in lines if line.quantity or not line.item.endswith(".cached"))

    def embedding_charge(self, item: str, model: str, tokens: int) -> Charge:
        """The line for vectors of so many tokens."""
        return Charge(item, self.of(model).input / _MILLION, tokens, f"{model}: embedded tokens")

    def use_charge(self, item: str, quantity: int, description: str) -> Charge:
        """The line for so many uses of something that is no model."""
        return Charge(item, self._uses.get(item, 0.0), quantity, description)

    def use_micro_usd(self, item: str, quantity: float) -> int:
        """What so much of something that is no model costs, in millionths of a US dollar."""
        return round(self._uses.get(item, 0.0) * quantity * _MILLION)

    def micro_usd(self, model: str, usage: Usage) -> int:
        """What an answer costs, in millionths of a US dollar."""
        return round(sum(charge.amount for charge in self.charges("", model, usage)) * _MILLION)
