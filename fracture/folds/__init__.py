"""Cross-validation: every film judged by a network that never saw its group."""
