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
    small = size * 2 // 3
    text = [
        (line, height, colour)
        for words, height, colour in ((head, size, "white"), (notes, small, "#ffd24d"))
        for one in words
        for line in _wrapped(one, height, width)
    ]
    band = sum(height * 4 // 3 for _, height, _ in text) + size
    canvas = Image.new("RGB", (width, band + film.height))
    y = size // 2
    for line, height, colour in text:
        letters = _letters(line, height, width)
        canvas.paste(colour, (size // 2, y), letters)
        y += letters.height
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


@functools.lru_cache(256)  # from film to film the same sentences come again
def _letters(line: str, height: int, width: int) -> Image.Image:
    """A line of text, 255 where it has ink."""
    letters = Image.new("L", (width, height * 4 // 3))
    ImageDraw.Draw(letters).text((0, 0), line, 255, _font(height))
    return letters


@functools.lru_cache(256)
def _wrapped(text: str, height: int, width: int) -> tuple[str, ...]:
    """Text as lines that fit into a width, letters of a height; both in pixels."""
    font, lines, line = _font(height), [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width - height * 3 // 2:
            lines.append(line)
            longer = word
        line = longer
    return (*lines, line)
