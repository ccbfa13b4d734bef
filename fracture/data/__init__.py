"""Labelled films: where they come from, their groups and their split. No keras."""
