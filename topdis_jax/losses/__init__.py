"""Losses: arrays in, arrays out. Needs jax, numpy and numba only."""
