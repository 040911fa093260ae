"""What retrieving and fine-tuning cost: money per query, the volume at which tuning pays, latency, and training.

Pure arithmetic over what the caller states; nothing is looked up. Amounts of money are in one currency, whichever the
caller's prices are in. The default prices are placeholders of a plausible size, not anybody's offer: pass your own.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Literal, TypeAlias

from ragstone.arguments import number, one_of
from ragstone.errors import InvalidInput

__all__ = ["Costs", "Hardware", "Method", "Prices", "Training", "Workload", "costs", "prefill_ms", "training"]

Method: TypeAlias = Literal["lora", "qlora", "full"]

# Passes over the weights for a token: forward 2 N, gradient of activations 2 N, gradient of weights 2 N (Kaplan 2020).
_FLOPS_PER_PARAMETER: dict[str, float] = {"lora": 4.0, "qlora": 4.0, "full": 6.0}
# Frozen 16-bit weights; 4-bit weights with their scales; weights, gradients and Adam's two moments in mixed precision.
_BYTES_PER_PARAMETER: dict[str, float] = {"lora": 2.0, "qlora": 0.6, "full": 16.0}
# A break-even beyond this many queries a day is none.
_VOLUME_MAX = 1e15
_MOST = 1e12


@dataclass(frozen=True, slots=True)
class Workload:
    """Tokens of one query both ways: ``system + chunks × chunk + query`` in for retrieval, ``tuned_input`` for tuning.

    ``tuned_input_tokens`` is what still has to be said to a tuned model besides the query, often nothing.
    """

    system_tokens: float = 400
    chunks: float = 5
    chunk_tokens: float = 250
    query_tokens: float = 40
    output_tokens: float = 200
    tuned_input_tokens: float = 0

    def __post_init__(self) -> None:
        _check(self, 1e9)

    @property
    def rag_input_tokens(self) -> float:
        """Tokens that a model reads for one answer from retrieved chunks."""
        return self.system_tokens + self.chunks * self.chunk_tokens + self.query_tokens

    @property
    def tuned_query_tokens(self) -> float:
        """Tokens that a tuned model reads for one answer."""
        return self.tuned_input_tokens + self.query_tokens


@dataclass(frozen=True, slots=True)
class Prices:
    """Money per million tokens, per query, per hour and per day; the tuned model's tokens have prices of their own."""

    input_per_million_tokens: float = 1.0
    output_per_million_tokens: float = 4.0
    tuned_input_per_million_tokens: float = 0.3
    tuned_output_per_million_tokens: float = 0.6
    search_per_query: float = 0.00002
    tuned_host_per_day: float = 0.0
    accelerator_per_hour: float = 3.0
    example: float = 2.0

    def __post_init__(self) -> None:
        _check(self, 1e9)


@dataclass(frozen=True, slots=True)
class Hardware:
    """What runs a model: peak FLOP/s, the share of it that is reached, and tokens written a second."""

    peak_flops_per_s: float = 1e15
    utilisation: float = 0.4
    output_tokens_per_s: float = 60.0

    def __post_init__(self) -> None:
        number(self.peak_flops_per_s, "peak_flops_per_s", 1e6, 1e24)
        number(self.utilisation, "utilisation", 0.001, 1.0)
        number(self.output_tokens_per_s, "output_tokens_per_s", 0.001, 1e9)

    @property
    def flops_per_s(self) -> float:
        """FLOP/s that are reached."""
        return self.peak_flops_per_s * self.utilisation


@dataclass(frozen=True, slots=True)
class Training:
    """What one training run takes. ``memory_bytes`` is of the weights and their training state, without activations."""

    method: Method
    parameters: float
    tokens: float
    epochs: float
    flops: float
    hours: float
    memory_bytes: float
    money: float

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, repr=False)
class Costs:
    """What :func:`costs` found. Money is in the currency of the prices.

    ``hybrid_per_query`` is a tuned model that reads retrieved chunks. ``tuned_fixed`` is what tuning costs in the
    period whatever the volume: examples, the first training and its repeats, and the host. ``break_even_per_day`` is
    the volume from which tuning is the cheaper, ``None`` where it never is.
    """

    rag_per_query: float
    tuned_per_query: float
    hybrid_per_query: float
    tuned_fixed: float
    period_days: float
    break_even_per_day: float | None
    rag_latency_ms: float
    tuned_latency_ms: float
    hybrid_latency_ms: float
    training: Training
    workload: Workload
    prices: Prices
    hardware: Hardware

    def rag_per_day(self, queries_per_day: float) -> float:
        """Money a day for answering so many queries by retrieval."""
        return self.rag_per_query * number(queries_per_day, "queries_per_day", 0, _VOLUME_MAX)

    def tuned_per_day(self, queries_per_day: float) -> float:
        """Money a day for answering so many queries by a tuned model, its fixed costs spread over the period."""
        volume = number(queries_per_day, "queries_per_day", 0, _VOLUME_MAX)
        return self.tuned_per_query * volume + self.tuned_fixed / self.period_days

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        volume = self.break_even_per_day
        pays = "never: a query is not cheaper" if volume is None else f"from {volume:,.0f} queries a day"
        one = self.training
        return "\n".join(
            [
                f"per 1,000 queries  retrieval {1e3 * self.rag_per_query:,.4g}, "
                f"tuned {1e3 * self.tuned_per_query:,.4g}, both {1e3 * self.hybrid_per_query:,.4g}",
                f"tuning pays        {pays} (fixed {self.tuned_fixed:,.4g} in {self.period_days:g} days)",
                f"latency            retrieval {self.rag_latency_ms:,.0f} ms, tuned {self.tuned_latency_ms:,.0f} ms, "
                f"both {self.hybrid_latency_ms:,.0f} ms",
                f"one training       {one.method}: {one.flops:.2g} FLOP, {one.hours:.3g} hours, "
                f"{one.memory_bytes / 1e9:,.3g} GB without activations, {one.money:,.4g}",
            ]
        )

    def __repr__(self) -> str:
        return str(self)


def prefill_ms(parameters: float, tokens: float, hardware: Hardware | None = None) -> float:
    """Milliseconds to read a prompt: ``2 N P / (peak × utilisation)``, for N parameters and P tokens.

    >>> round(prefill_ms(7e9, 2000, Hardware(peak_flops_per_s=4e14, utilisation=1.0)))
    70
    """
    size, read = number(parameters, "parameters", 1e3, 1e14), number(tokens, "tokens", 0, _MOST)
    return 2e3 * size * read / (hardware or Hardware()).flops_per_s


def training(
    *,
    parameters: float,
    tokens: float,
    epochs: float = 3,
    method: Method = "lora",
    hardware: Hardware | None = None,
    accelerator_per_hour: float = 3.0,
) -> Training:
    """What one run takes: ``FLOPs = c N T E``, c = 4 for adapters and 6 for all weights; hours by the FLOP/s reached.

    With frozen weights a token costs the forward pass and the gradient of activations (2 N each); training all weights
    adds their own gradient (2 N). Memory is about 2 bytes a parameter for 16-bit LoRA, 0.6 for QLoRA (Dettmers 2023)
    and 16 for mixed-precision Adam (Rajbhandari 2020), each without activations.

    Raises:
        InvalidInput: A number is out of its range, or the method unknown.

    >>> one = training(parameters=8e9, tokens=1e6, epochs=3, hardware=Hardware(4e14, 1.0))
    >>> f"{one.flops:.2g} FLOP, {60 * one.hours:.0f} minutes, {one.memory_bytes / 1e9:.0f} GB"
    '9.6e+16 FLOP, 4 minutes, 16 GB'
    """
    one_of(method, "method", tuple(_FLOPS_PER_PARAMETER))
    size, read = number(parameters, "parameters", 1e3, 1e14), number(tokens, "tokens", 0, _MOST)
    passes, price = number(epochs, "epochs", 0, 1e4), number(accelerator_per_hour, "accelerator_per_hour", 0, 1e9)
    flops = _FLOPS_PER_PARAMETER[method] * size * read * passes
    hours = flops / (hardware or Hardware()).flops_per_s / 3600
    return Training(method, size, read, passes, flops, hours, _BYTES_PER_PARAMETER[method] * size, hours * price)


def costs(
    workload: Workload | None = None,
    prices: Prices | None = None,
    *,
    examples: float = 1000,
    example_tokens: float = 500,
    epochs: float = 3,
    retrains: float = 2,
    period_days: float = 365,
    method: Method = "lora",
    parameters: float = 8e9,
    tuned_parameters: float | None = None,
    hardware: Hardware | None = None,
    embed_ms: float = 5,
    search_ms: float = 5,
) -> Costs:
    """Cost and latency of a query by retrieval, by a tuned model and by both, and the volume from which tuning pays.

    - A query by retrieval costs ``p_in (system + chunks × chunk + query) + p_out × output + search``, by a tuned model
      ``p_in' (tuned_input + query) + p_out' × output``, by both the tuned model's prices for the long prompt.
    - Tuning costs ``examples × example + (1 + retrains) × training + host × days`` in the period, whatever the volume.
    - It pays from ``V* = fixed / (days × (c_rag − c_tuned))`` queries a day; there is no V* where the difference is not
      above 0.
    - An answer by retrieval takes ``embed + search + 2 N P / (peak × utilisation) + output / speed``: the search takes
      milliseconds, so it is the prompt's length and the model's size that tuning saves.

    Args:
        workload: Tokens of a query.
        prices: What they cost; the defaults are placeholders.
        examples: Examples to be made for training.
        example_tokens: Tokens of one example.
        epochs: Passes over them.
        retrains: Further trainings in the period.
        period_days: Days over which fixed costs are spread.
        method: How the model is trained.
        parameters: Size of the model that answers from chunks.
        tuned_parameters: Size of the tuned model; by default the same.
        hardware: What runs the models.
        embed_ms: Milliseconds to embed a query.
        search_ms: Milliseconds of a search.

    Raises:
        InvalidInput: A number is negative, not finite or too large.

    >>> found = costs(prices=Prices(tuned_host_per_day=10.0))
    >>> round(found.break_even_per_day)
    6510
    >>> costs(prices=Prices(tuned_output_per_million_tokens=100.0)).break_even_per_day is None
    True
    """
    load, price, runs_on = workload or Workload(), prices or Prices(), hardware or Hardware()
    days = number(period_days, "period_days", 1, 1e5)
    size = number(parameters, "parameters", 1e3, 1e14)
    tuned_size = size if tuned_parameters is None else number(tuned_parameters, "tuned_parameters", 1e3, 1e14)
    count = number(examples, "examples", 0, 1e9)
    run = training(
        parameters=tuned_size,
        tokens=count * number(example_tokens, "example_tokens", 0, 1e9),
        epochs=epochs,
        method=method,
        hardware=runs_on,
        accelerator_per_hour=price.accelerator_per_hour,
    )
    again = number(retrains, "retrains", 0, 1e5)
    fixed = count * price.example + (1 + again) * run.money + price.tuned_host_per_day * days
    rag = _money(load.rag_input_tokens, load.output_tokens, price, tuned=False) + price.search_per_query
    tuned = _money(load.tuned_query_tokens, load.output_tokens, price, tuned=True)
    both_tokens = load.tuned_input_tokens + load.chunks * load.chunk_tokens + load.query_tokens
    writing = 1e3 * load.output_tokens / runs_on.output_tokens_per_s
    finding = number(embed_ms, "embed_ms", 0, 1e9) + number(search_ms, "search_ms", 0, 1e9)
    return Costs(
        rag_per_query=rag,
        tuned_per_query=tuned,
        hybrid_per_query=_money(both_tokens, load.output_tokens, price, tuned=True) + price.search_per_query,
        tuned_fixed=fixed,
        period_days=days,
        break_even_per_day=_break_even(fixed, days, rag - tuned),
        rag_latency_ms=finding + prefill_ms(size, load.rag_input_tokens, runs_on) + writing,
        tuned_latency_ms=prefill_ms(tuned_size, load.tuned_query_tokens, runs_on) + writing,
        hybrid_latency_ms=finding + prefill_ms(tuned_size, both_tokens, runs_on) + writing,
        training=run,
        workload=load,
        prices=price,
        hardware=runs_on,
    )


def _money(read: float, written: float, price: Prices, *, tuned: bool) -> float:
    if tuned:
        return (read * price.tuned_input_per_million_tokens + written * price.tuned_output_per_million_tokens) / 1e6
    return (read * price.input_per_million_tokens + written * price.output_per_million_tokens) / 1e6


def _break_even(fixed: float, days: float, saved_per_query: float) -> float | None:
    if saved_per_query <= 0:
        return None
    volume = fixed / days / saved_per_query
    return volume if math.isfinite(volume) and volume <= _VOLUME_MAX else None


def _check(record: Workload | Prices, most: float) -> None:
    """Every field is a finite number that is not negative."""
    for field in fields(record):
        try:
            number(getattr(record, field.name), field.name, 0, most)
        except InvalidInput as error:
            raise InvalidInput(f"{type(record).__name__}: {error}") from None
