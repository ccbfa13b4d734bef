"""A film with its evidence and its finding in words, where only pictures are seen."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fracture.explanation import draw_overlay
from fracture.prediction import Prediction
from fracture.rendering.fragments import percent
from fracture.rendering.pictures import fitted, strength

_SIDE = 1024  # pixels of the film's longer side
_LEAST = 512  # pixels of the same side, to which a smaller film is enlarged
_WIDTH = 720  # pixels; narrower, a line of text would hold a few words only
_LETTERS = 56  # of usual width in a line of the finding
_USE = "Research use only. Not a diagnosis; not a medical device."


def draw_captioned(prediction: Prediction) -> Image.Image:
    """The film, coloured where the evidence is, below a black band of text.

    Letters are in proportion to the picture, so that they can be read at any size it is
    shown at. A film that was not judged is not coloured, and has no probability.

    Returns:
        RGB, the film's longer side 512 to 1024 pixels.
    """
    film = _film(prediction)
    width = max(film.width, _WIDTH)
    size = 2 * width // _LETTERS
    head = [prediction.summary]
    if prediction.in_distribution:
        probability = percent(prediction.fracture_probability)
        head.append(f"Fracture probability {probability}")
    notes = [_USE, f"fracture, model {prediction.model_version}"]
    notes += [notice.message for notice in prediction.warnings]
    text = [(line, size, "white") for line in _wrapped(head, size, width)]
    small = size * 2 // 3
    text += [(line, small, "#ffd24d") for line in _wrapped(notes, small, width)]
    band = sum(height * 4 // 3 for _, height, _ in text) + size
    canvas = Image.new("RGB", (width, band + film.height))
    draw, y = ImageDraw.Draw(canvas), size // 2
    for line, height, colour in text:
        draw.text((size // 2, y), line, colour, _font(height))
        y += height * 4 // 3
    canvas.paste(film, ((width - film.width) // 2, band))
    return canvas


def _film(prediction: Prediction) -> Image.Image:
    size = fitted(prediction, _SIDE)
    film = Image.fromarray(prediction.film.pixels)
    if size != film.size:
        film = film.resize(size, Image.Resampling.LANCZOS)
    if prediction.in_distribution:
        evidence = strength(prediction, "fracture", _SIDE)
        evidence = evidence / prediction.config.heatmap_reference
        film = draw_overlay(np.asarray(film), evidence)
    film = film.convert("RGB")
    if (times := _LEAST // max(size)) > 0:
        film = film.resize((size[0] * (1 + times), size[1] * (1 + times)))
    return film


@functools.cache
def _font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height)


def _wrapped(texts: list[str], height: int, width: int) -> list[str]:
    """Texts as lines that fit into a width, letters of a height; both in pixels."""
    font = _font(height)
    lines = []
    for text in texts:
        line = ""
        for word in text.split():
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width - height * 3 // 2:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines
