"""What is trained: recipes, networks, Grad-CAM, calibration and the exported file."""
