"""metrics.json as people read it: tables, figures and the model card. No keras."""
