"""Folders too large for one machine: films judged on a Ray cluster."""
