"""The training floor: everything that may import keras. Serving never imports it."""
