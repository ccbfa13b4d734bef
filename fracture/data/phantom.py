"""Synthetic limb radiographs, drawn by code, so that nobody needs data to start.

The thickness of soft tissue and bone along each ray adds up, the beam decays with it
(Beer-Lambert), quantum noise grows as the signal falls, and a film curve turns exposure
into grey. Limb coordinates are complex, z = s + i d: `s` runs along the shaft and `d`
across it. One unit is one pixel of a 373-pixel-wide film at zoom 1, about half a mm.
"""

import dataclasses

import numpy as np
from numpy import ndarray
from numpy.random import Generator, default_rng
from PIL import Image, ImageDraw, ImageFont

LABELS = ("normal", "hairline", "displaced")


@dataclasses.dataclass(frozen=True, eq=False)
class Phantom:
    """One film: grey uint8 `pixels` (H, W), its `label` and where it is broken.

    `boxes` is float32 (n, 4), x0, y0, x1, y1 in pixels; (0, 4) for a normal film.
    """

    pixels: ndarray
    label: str
    boxes: ndarray


class _Bone:
    """A hollow, slightly bowed cylinder that flares towards its end at s = `end`."""

    def __init__(self, rng: Generator, axis: float, radius: float, end: float):
        # Plain floats and float32 arrays keep all that follows in fast float32.
        self.axis, self.radius, self.end = float(axis), float(radius), float(end)
        crooked = rng.uniform((-4e-4, -0.25, -5), (4e-4, 0.25, 5))
        self.bow, self.slope, self.lobe = crooked.tolist()
        self.marrow = rng.uniform(0.55, 0.8)
        self.reach = rng.uniform(1, 2) * self.radius
        self.flare = rng.uniform(0.2, 0.8, 2).astype(np.float32)
        noise = Image.fromarray(rng.standard_normal((90, 180), np.float32))
        self.grain = np.asarray(noise.resize((256, 256), Image.Resampling.BICUBIC))
        # Lines that are no fracture: an open growth plate, a nutrient vessel's canal.
        self.plate = rng.uniform(14, 24) if rng.random() < 0.4 else np.inf
        self.canal = rng.uniform((0, -100, -8, -0.3), (0.35, 100, 8, 0.3)).tolist()

    def local(self, z: ndarray) -> ndarray:
        """Offset from the bowed axis of this bone."""
        return z.imag - self.axis - self.bow * z.real**2

    def thickness(self, z: ndarray) -> ndarray:
        """Solid bone that the ray through each limb point meets, in units."""
        s, d = z.real, self.local(z)
        drawn = (np.abs(d) < 2 * self.radius) & (s < self.end + 12)
        solid = np.zeros(z.shape, np.float32)
        s, d = s[drawn], d[drawn]
        near = np.exp(np.minimum(s - self.end, 0) / self.reach)
        v = d / self.radius / (1 + self.flare[(d < 0).astype(int)] * near)
        past = s - self.end + self.slope * d + self.lobe * np.cos(3 * v)
        # The marrow stops short of the joint, which leaves a bright plate of bone.
        caps = [np.clip(1 + (past + k) / self.radius / 0.6, 0, 1) ** 2 for k in (0, 2)]
        hollow = self.marrow + (0.94 - self.marrow) * np.sqrt(near)
        cavity = np.sqrt(np.maximum(hollow**2 * (1 - caps[1] ** 2) - v**2, 0))
        grain = self.grain[(1.4 * s).astype(int) & 255, (2 * d).astype(int) & 255]
        spongy = (0.04 + 0.28 * near) * (1 + 0.35 * grain)
        bone = np.sqrt(np.maximum(1 - caps[0] ** 2 - v**2, 0)) - cavity * (1 - spongy)
        bone *= 1 - 0.6 * np.exp(-(((past + self.plate + np.sin(d / 4)) / 1.6) ** 2))
        depth, place, offset, lean = self.canal
        off, along = d - offset - lean * (s - place), (s - place) / 12
        bone *= 1 - depth * np.exp(-(off**2) - along**2)
        solid[drawn] = 2 * self.radius * bone
        return solid


def _break(rng: Generator, bone: _Bone, at: float, stages: list[ndarray]) -> tuple:
    """Thickness of a bone broken near s = `at`, and the mask where the fracture shows.

    `stages` holds the limb points, traced back through none, half and all of the motion
    of the far fragment. With the first alone nothing moves: the bone has a hairline.
    """
    side, slope = rng.choice([-1.0, 1.0], 2) * (1, rng.choice([0.1, 0.5, 1]))
    width, depth, twist = rng.uniform((0.7, 0.3, -9), (1.2, 0.55, 9)).tolist()
    extent = rng.choice([rng.uniform(-0.2, 0.6), 9])
    wedge = rng.uniform(14, 32) if rng.random() < 0.3 else 0
    jag = np.cumsum(rng.normal(0, 0.7, 128))
    solid = np.zeros(stages[0].shape, np.float32)
    shows = solid > 0
    for stage, z in enumerate(stages):
        piece = bone.thickness(z)
        inside = piece > 0
        d = bone.local(z[inside])
        v = d / bone.radius
        # How far along the shaft a point lies beyond the jagged, spiral surface.
        cut = z[inside].real - at - slope * d - twist * np.sin(2 * v)
        cut -= np.interp(d, np.arange(-64, 64), jag)
        if len(stages) == 1:
            pixel = abs(z[1, 0] - z[0, 0])  # a thinner line would fall between pixels
            far = cut / np.hypot(1, slope) / max(width, 0.7 * pixel)
            lost = depth * np.exp(-(far**2)) * np.clip(3 * (extent - side * v), 0, 1)
            keep, seen = 1 - lost, lost * piece[inside] > 0.02 * bone.radius
        else:
            # A butterfly lags halfway between the near and the far fragment.
            chip = np.clip(wedge * side * v - np.abs(cut), 0, 1)
            near = np.clip(0.5 - cut, 0, 1)
            keep = ((1 - chip) * near, chip, (1 - chip) * (1 - near))[stage]
            seen = (keep * piece[inside] > 1) & ((np.abs(cut) < 4) | (stage == 1))
        piece[inside] *= keep
        solid += piece
        shows[inside] |= seen
    return solid, shows


def expose(
    rng: Generator, absorbed: ndarray, clear: ndarray
) -> tuple[ndarray, ndarray]:
    """Exposes a film behind a body.

    Args:
        rng: where noise, exposure and marks come from.
        absorbed: float `(height, width)`, absorption along each ray.
        clear: float `(height, width)`, greatest where a lead letter covers no bone.

    Returns:
        The film, uint8 `(height, width)`, and the mask that the collimator leaves open.
    """
    size, draw = absorbed.shape, rng.uniform
    y, x = (axis - axis.mean() for axis in np.ogrid[: size[0], : size[1]])
    heel = 1 + draw(-0.15, 0.15) * x / size[1] + draw(-0.15, 0.15) * y / size[0]
    signal = np.exp(-absorbed) * heel + draw(0.01, 0.04)
    signal += draw(0.015, 0.045) * rng.standard_normal(size) * np.sqrt(signal)
    for side in [draw(0.08, 0.2)] * 2:  # detector blur of light and noise: down, across
        p = np.pad(signal, ((1, 1), (0, 0)), mode="edge")
        signal = ((1 - 2 * side) * p[1:-1] + side * (p[:-2] + p[2:])).T
    exposure = -np.log(np.maximum(signal, 1e-3))
    grey = 255 / (1 + np.exp(-draw(1.5, 2.3) * (exposure - draw(1.0, 1.7))))
    tilt, reach = rng.normal(0, 0.06), draw((0.4, 0.38), 0.6) * size
    edge = np.maximum(abs(y - tilt * x) - reach[0], abs(x + tilt * y) - reach[1])
    grey *= np.clip(0.5 - edge, 0.01, 1)
    if rng.random() < 0.2:  # a strip of film that no ray has reached
        far = (y - 0.3 * tilt * x) * rng.choice([-1, 1]) / size[0]
        grey[far > draw(0.46, 0.5)] = draw(180, 255)
    if rng.random() < 0.5:  # a lead letter, clear of the limb
        spots = (draw(0.08, 0.92, (4, 2)) * size).astype(int).tolist()
        spot = max(spots, key=lambda spot: clear[tuple(spot)])[::-1]
        lead = Image.new("L", size[::-1])
        font = ImageFont.load_default(min(size) * draw(0.05, 0.1))
        ImageDraw.Draw(lead).text(spot, rng.choice(["L", "R"]), 255, font, "mm")
        lead = np.asarray(lead.rotate(rng.normal(0, 6), center=spot)) / 255
        grey += (draw(200, 255) - grey) * lead
    return np.clip(grey, 0, 255).astype(np.uint8), edge < 0


def draw_phantom(label: str, seed: int, size: tuple[int, int] = (454, 373)) -> Phantom:
    """Draw the film of limb `seed`, intact or broken as `label` says.

    The same arguments always give the same pixels. Films of one seed show one limb, so
    they belong on the same side of a split.

    Args:
        label: "normal", "hairline" or "displaced".
        seed: zero or more.
        size: height and width in pixels.

    Raises:
        ValueError: the label is unknown or the seed is negative.
    """
    if label not in LABELS:
        raise ValueError(f"label must be one of {', '.join(LABELS)}; got {label!r}")
    limb, injury = default_rng([seed, 0]), default_rng([seed, 1])
    pixel = 373 / min(size) / limb.uniform(0.75, 1.25)
    turn = limb.normal(0, 0.2) + np.pi * (limb.integers(2) + (size[1] > size[0]) / 2)
    y, x = np.ogrid[: size[0], : size[1]]
    middle = complex(*size) / 2 + complex(*limb.uniform(-25, 25, 2)) / pixel
    z = (pixel * np.exp(-1j * turn) * (y + 1j * x - middle)).astype(np.complex64)
    paired, (end, thin) = limb.random() < 0.5, limb.uniform((50, 0.5), (300, 0.9))
    radius = limb.uniform(15, 23) if paired else limb.uniform(21, 32)
    axis = paired * limb.choice([-1, 1]) * (1 + thin) * radius * limb.uniform(0.4, 0.75)
    bones = [_Bone(limb, -axis, radius, end), _Bone(limb, axis, thin * radius, end - 5)]
    bones = bones[: 1 + paired]
    across = _Bone(limb, bones[0].bow * end**2 - axis, radius, -6)

    at = injury.uniform(-110, min(110, end - 45))
    broken = bones if injury.random() < 0.4 else [bones[injury.integers(len(bones))]]
    slack = 1 if broken == bones else 0.4  # an intact neighbour splints the limb
    angle, aside = injury.uniform((0.05, 0.4), (0.4, 1.2)) * injury.choice([-1, 1], 2)
    shift = radius * complex(injury.uniform(-0.9, 0.5), aside)
    angle, pivot = np.float32(angle), complex(at, broken[0].axis)
    moves = (0, slack / 2, slack) if label == "displaced" else (0,)
    back = [(z - pivot - k * shift) * np.exp(-1j * k * angle) + pivot for k in moves]
    broken = [] if label == "normal" else broken
    parts = [_break(injury, b, at + injury.uniform(-15, 15), back) for b in broken]
    solid = across.thickness(end - back[-1].conj()) + sum(part for part, _ in parts)
    solid += sum(bone.thickness(z) for bone in bones if bone not in broken)

    # Soft tissue, muscle within fat, follows the far fragment smoothly.
    girth = max(limb.uniform(2.4, 4) * radius, 1.8 * (radius + abs(axis)))
    bent = z.imag + (back[-1] - z).imag * (1 + np.tanh((z.real - at) / 40)) / 2
    soft = np.zeros(size, np.float32)
    for share, weight in ((1, 0.75), (limb.uniform(0.7, 0.92), 0.35)):
        lean, swell = limb.uniform(-1, 1, 2) * (0.1, 0.3)
        half = share * girth * (1 + swell * np.tanh(z.real / 150))
        soft += weight * np.maximum(1 - (bent / half - lean) ** 2, 0) ** 0.45
    absorbed = limb.uniform(0.7, 1.3) * soft + limb.uniform(0.6, 1.1) * solid / radius

    pixels, lit = expose(limb, absorbed, abs(z.imag))
    spots = [np.argwhere(shows & lit)[:, ::-1] for _, shows in parts]
    boxes = [(*(spot.min(0) - 4), *(spot.max(0) + 5)) for spot in spots]
    boxes = np.reshape(boxes, (-1, 4)).clip(0, size[::-1] * 2)
    return Phantom(pixels, label, np.float32(boxes))
