"""How a simulated world draws: hashes of numbers for what is too many to store, tables for what is few."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hash:
    """Deterministic pseudo-random properties of numbered things, one independent stream for each purpose.

    Attributes:
        seed: The log's seed.
    """

    seed: int

    def bits(self, keys: Keys, purpose: str) -> Keys:
        """The 64 pseudo-random bits of each key; a bijection of the keys for a given purpose.

        The finaliser of splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
        """
        salt = (self.seed << 32 ^ zlib.crc32(purpose.encode())) * 0x9E3779B97F4A7C15
        z: Keys = keys + np.uint64(salt & 0xFFFF_FFFF_FFFF_FFFF)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))

    def uniform(self, keys: Keys, purpose: str) -> Floats:
        """A uniform number in [0, 1) for each key."""
        return (self.bits(keys, purpose) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def bell(self, keys: Keys, purpose: str) -> Floats:
        """A nearly normal number (mean 0, standard deviation 1, within 3.5) for each key.

        The sum of four 16-bit uniform numbers (Irwin-Hall): integers only, hence the same on every machine.
        """
        quarters = self.bits(keys, purpose).view(np.uint16).reshape(-1, 4)
        total: Floats = quarters.sum(axis=1, dtype=np.float64)
        return (total / 65_536 - 2) * 3**0.5

    def name(self, keys: Keys, purpose: str) -> Keys:
        """A 32-bit value for each key: what the log would print as 8 hexadecimal characters."""
        return self.bits(keys, purpose) >> np.uint64(32)


def falling(count: int, slope: float, bend: float) -> Floats:
    """Popularity by rank, summing to 1: log-quadratic in the log of the rank.

    The parabolic fractal distribution (Laherrere and Sornette, 1998): Zipf's law is bend = 0; the log's sites, apps,
    models and creatives bend downwards.
    """
    rank = np.log(np.arange(1, count + 1))
    weight = np.exp(-slope * rank - bend * rank**2)
    return np.asarray(weight / weight.sum())


def pick(cumulative: Floats, quantile: Floats) -> Ints:
    """The class of each quantile in [0, 1) under cumulative shares."""
    return np.minimum(np.searchsorted(cumulative, quantile, side="right"), len(cumulative) - 1)


def pair(first: Ints, second: Ints) -> Keys:
    """One key for each pair of numbers below 2**32."""
    return (first << 32 | second).astype(np.uint64)


def latent(rng: np.random.Generator, weight: Floats) -> Floats:
    """One normal effect a thing, with weighted mean 0 and weighted standard deviation 1.

    Without the weights a few popular things would make the clicks of one seed far more predictable than another's.
    """
    drawn = rng.standard_normal(len(weight)).clip(-2.5, 2.5)
    drawn -= np.average(drawn, weights=weight)
    return np.asarray(drawn / np.average(drawn**2, weights=weight) ** 0.5)


def assign(rng: np.random.Generator, weight: Floats, shares: Floats) -> Ints:
    """Puts things into classes so that each class gets about its share of the things' total weight.

    Args:
        rng: Orders the things.
        weight: One a thing.
        shares: One a class; any scale.

    Returns:
        The class of each thing. No class is empty: one that won nothing gets a thing of middling weight from
        the fullest class.
    """
    order = rng.permutation(len(weight))
    middle = np.cumsum(weight[order]) - weight[order] / 2
    bounds = np.cumsum(shares)
    chosen = np.empty(len(weight), dtype=np.int64)
    chosen[order] = np.searchsorted(bounds / bounds[-1], middle / weight.sum(), side="right").clip(0, len(shares) - 1)
    missing = np.flatnonzero(np.bincount(chosen, minlength=len(shares)) == 0)
    rivals = np.flatnonzero((chosen == np.bincount(chosen).argmax()) & (weight > 0))
    rivals = rivals[np.argsort(weight[rivals], kind="stable")]
    chosen[rivals[len(rivals) // 2 :][: len(missing)]] = missing
    return chosen


def coded(rng: np.random.Generator, weight: Floats, codes: dict[int, tuple[float, float]]) -> tuple[Ints, Floats]:
    """Assigns one of the codes (code: share, effect) to each thing; returns the codes and their effects."""
    shares, effects = np.array(list(codes.values())).T
    chosen = assign(rng, weight, shares)
    return np.array(list(codes))[chosen], effects[chosen]
