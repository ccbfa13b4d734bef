"""The evaluation floor: what the shipped model does, measured, drawn and told."""
