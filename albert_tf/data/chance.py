"""Chance that NumPy and a TensorFlow graph draw alike, bit for bit, from numbers that say what for.

SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"): the
n-th output of a generator is a mixing function of its state plus n times a constant, so any of
them can be had without the ones before. Each output can be the state of another generator. So
the chance of one word in one row is `fold(fold(fold(seed, epoch), row), word)`: it depends on
neither the batch size nor the number of workers, and nothing needs replaying after a restart.

`masking_ops.py` and `records.py` have the same function as graph ops.
"""

import numpy as np

STEP = 0x9E3779B97F4A7C15
MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
LAST_SHIFT = 31
HALF = 32  # each draw gives two independent numbers of 32 bits

# What a number is drawn for: the first fold of every seed.
SHARD_ORDER, ROW_ORDER, MASKS = range(3)
# What it is drawn for within a row.
WORDS, TOKENS = range(2)


def fold(key, value) -> np.ndarray:
    """Draws 64 random bits from a key and a number, as uint64; arguments broadcast.

    Args:
        key: the seed, or what another `fold` gave.
        value: whole number, 0 or more.
    """
    with np.errstate(over="ignore"):  # arithmetic is modulo 2^64
        bits = np.asarray(key, np.uint64) + (np.asarray(value, np.uint64) + np.uint64(1)) * (
            np.uint64(STEP)
        )
        for shift, factor in MIX:
            bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    return bits ^ (bits >> np.uint64(LAST_SHIFT))


def purpose_key(seed: int, purpose: int) -> int:
    """Gives the key of a purpose, as a Python number, to be folded with an epoch first.

    Raises:
        ValueError: the seed does not fit in 64 bits without a sign.
    """
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must be a whole number from 0 to 2^64 - 1: got {seed}.")
    return int(fold(fold(seed, 0), purpose))


def thresholds(odds) -> list[int]:
    """Turns odds into the bounds between which 32 random bits mean each outcome but the last."""
    return [round(bound * 2**HALF) for bound in np.cumsum(odds)[:-1]]
