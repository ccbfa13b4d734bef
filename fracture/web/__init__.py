"""The web floor: the app's pages and its API. May import gradio; no model logic."""
