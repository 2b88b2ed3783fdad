"""One-bit codes of vectors: enough to find the few candidates that are worth an exact comparison.

A vector is turned by a fixed rotation (random signs and a Hadamard transform, twice), which spreads its
weight evenly over the coordinates, and only the signs are kept. The question keeps four bits a
coordinate, so that the estimate loses on one side only.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

QUERY_BITS = 4
CHUNKS_AT_ONCE = 16
_ROUNDS = 2


class DamagedVectors(Exception):
    """What is stored of vectors cannot be what was put there."""


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of ``n`` passages; ``bits`` is ``uint64 [words, n]``."""

    passage_keys: NDArray[np.int64]
    document_keys: NDArray[np.int64]
    bits: NDArray[np.uint64]

    def keep(self, mask: NDArray[np.bool_]) -> "Codes":
        """The passages where ``mask`` is true."""
        return Codes(self.passage_keys[mask], self.document_keys[mask], self.bits[:, mask])

    @classmethod
    def joined(cls, parts: Sequence["Codes"]) -> "Codes":
        """All passages of the parts in their order."""
        return cls(
            np.concatenate([part.passage_keys for part in parts]),
            np.concatenate([part.document_keys for part in parts]),
            np.concatenate([part.bits for part in parts], axis=1),
        )


def encode(
    vectors: NDArray[np.float32], passage_keys: NDArray[np.int64], document_keys: NDArray[np.int64]
) -> Codes:
    """Codes of ``vectors`` ``float32 [n, d]``."""
    packed = np.packbits(rotate(vectors) > 0, axis=1, bitorder="little").view(np.uint64)
    return Codes(passage_keys, document_keys, np.ascontiguousarray(packed.T))


def rotate(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors turned by the fixed rotation, ``float32 [n, width(d)]``."""
    count, dimensions = vectors.shape
    total = width(dimensions)
    turned = np.zeros((count, total), np.float32)
    turned[:, :dimensions] = vectors
    for signs in _signs(total):
        turned = _hadamard(turned * signs)
    return turned


def width(dimensions: int) -> int:
    """Bits of a code: the power of two, at least 64, that holds ``dimensions``."""
    return max(64, 1 << (dimensions - 1).bit_length())


def bit_strings(vectors: NDArray[np.float32]) -> list[str]:
    """Codes of ``vectors`` ``float32 [n, d]`` as strings of zeros and ones."""
    digits = (rotate(vectors) > 0).view(np.uint8) + ord("0")
    return [row.tobytes().decode("ascii") for row in digits]


class Probe:
    """A question's vector, ready to be compared with codes."""

    def __init__(self, vector: NDArray[np.float32]) -> None:
        rotated = rotate(vector[None, :])[0]
        low, high = float(rotated.min()), float(rotated.max())
        self._low = low
        self._step = (high - low) / (2**QUERY_BITS - 1) or 1.0
        levels = np.rint((rotated - low) / self._step).astype(np.uint8)
        planes = [np.packbits((levels >> bit) & 1, bitorder="little") for bit in range(QUERY_BITS)]
        self._planes = [plane.view(np.uint64)[:, None] for plane in planes]
        self._total = float((levels * self._step + low).sum())

    def estimate(self, codes: Codes) -> NDArray[np.float32]:
        """About the cosine with each passage up to one common factor, ``float32 [n]``."""
        weighted = np.zeros(codes.bits.shape[1], np.float32)
        for bit, plane in enumerate(self._planes):
            weighted += (1 << bit) * _ones(codes.bits & plane)
        positive = self._step * weighted + self._low * _ones(codes.bits)
        return (2 * positive - self._total).astype(np.float32, copy=False)


def nearest(
    chunks: Iterable[Codes],
    probes: Sequence[Probe],
    *,
    document_keys: Sequence[int] | None,
    withheld: Sequence[int] = (),
    at_least: int,
) -> NDArray[np.int64]:
    """Keys of the passages that may be nearest to any of the probes.

    ``at_least`` of them for each probe, 2 % where there are very many; all, when there are no more.
    """
    keys: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    estimates: list[NDArray[np.float32]] = [np.zeros((len(probes), 0), np.float32)]
    for batch in batched(chunks, CHUNKS_AT_ONCE):
        codes = Codes.joined(batch)
        if document_keys is not None:
            codes = codes.keep(np.isin(codes.document_keys, document_keys))
        if withheld:
            codes = codes.keep(~np.isin(codes.document_keys, withheld))
        keys.append(codes.passage_keys)
        estimates.append(np.stack([probe.estimate(codes) for probe in probes]))
    found, scores = np.concatenate(keys), np.concatenate(estimates, axis=1)
    wanted = max(at_least, len(found) // 50)
    if wanted >= len(found):
        return found
    best = np.argpartition(scores, -wanted, axis=1)[:, -wanted:]
    return found[np.unique(best)]


def batched(chunks: Iterable[Codes], size: int) -> Iterator[list[Codes]]:
    """The chunks, ``size`` at a time: few large array operations cost less than many small ones."""
    rest = iter(chunks)
    while batch := list(islice(rest, size)):
        yield batch


def _ones(bits: NDArray[np.uint64]) -> NDArray[np.float32]:
    return np.bitwise_count(bits).sum(axis=0, dtype=np.uint16).astype(np.float32)


@lru_cache(maxsize=16)
def _signs(total: int) -> tuple[NDArray[np.float32], ...]:
    # A hash, not a random generator: stored codes must mean the same under every version of NumPy.
    return tuple(
        np.unpackbits(
            np.frombuffer(hashlib.shake_256(b"passage codes %d" % round_).digest(total // 8), np.uint8)
        ).astype(np.float32)
        * 2
        - 1
        for round_ in range(_ROUNDS)
    )


def _hadamard(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    count, total = rows.shape
    half = 1
    while half < total:
        pairs = rows.reshape(count, total // (2 * half), 2, half)
        first, second = pairs[:, :, 0], pairs[:, :, 1]
        rows = np.stack([first + second, first - second], axis=2).reshape(count, total)
        half *= 2
    return rows / np.float32(np.sqrt(total))
