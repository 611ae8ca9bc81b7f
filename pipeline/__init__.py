"""Rebuild every table and figure of five papers on self-supervised learning."""

from pipeline import bytecode as _bytecode

_bytecode.install()
