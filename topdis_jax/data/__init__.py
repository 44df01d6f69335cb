"""Data sets with known factors of variation, and batches of them."""
