"""Folders that tests read from."""

import pathlib

ROOT = pathlib.Path(__file__).parents[2]  # of the checkout
GOLDEN = ROOT / 'tests' / 'golden'  # values of reference implementations
