"""Weights, their card and the demo, on the Hugging Face Hub."""
