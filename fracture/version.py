"""The version of this package, and of the weights that it writes."""

__version__ = "0.2.0"
