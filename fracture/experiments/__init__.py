"""Several trainings side by side: recipes compared, hyperparameters searched."""
