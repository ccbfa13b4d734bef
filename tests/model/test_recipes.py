"""Every recipe builds, learns, explains itself and exports through the same code."""

import dataclasses

import keras
import numpy as np
import pytest

from fracture.classifier import FractureClassifier
from fracture.data.datasets import Example
from fracture.data.phantom import draw_phantom
from fracture.model.auxiliary_outputs import fit_cascade
from fracture.model.backbones import BACKBONES
from fracture.model.calibration import Calibration, Serving
from fracture.model.export import (
    TOLERANCE,
    export_weights,
    load_keras_model,
    measure_parity,
)
from fracture.model.filters import FILTERS
from fracture.model.gradcam import gradcam_difference
from fracture.model.network import (
    BackboneError,
    backbone_weights,
    build_network,
    map_grid,
    multiply_accumulates,
    set_trainable,
)
from fracture.model.recipes import RECIPES
from fracture.training.batches import FilmSequence
from fracture.training.fit import compile_phase

SERVING = Serving(
    Calibration(temperature=1.3, normal_offset=0.2),
    {"rule_out": {"threshold": 0.3}, "rule_in": {"threshold": 0.7}},
    heatmap_reference=1.0,
    novelty_threshold=0.0,
)
LARGE = ("resnet50", "densenet121", "inceptionv3", "vgg16")
LARGE += ("mobilenetv2", "mobilenetv3small-cnn")  # the first one all tests export
LARGE += ("mobilenetv2-pyramid", "mobilenetv3small-pyramid")
# Recipes of large networks, and sisters of others.
SLOW = ("resnet50-cascade", "inception", "densenet121", "vgg16", "resnet50")
SLOW += ("quick", "mobilenetv2-paper", "mobilenetv2-paper-1.0", "mobilenetv3-hybrid")
SLOW += ("mobilenetv2-paper-0.35", "mobilenetv2-cascade")
PARTS = ("hand", "leg")
SLOW += ("mobilenetv2-320", "mobilenetv2-320-student", "mobilenetv3-320-student")
SLOW += ("mobilenetv2-320-tuned", "mobilenetv2-320-tuned-student")
LABELS = ("normal", "hairline", "displaced")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    """Films with their boxes and body parts."""
    drawn = [draw_phantom(label, 0) for label in LABELS]
    place = tmp_path_factory.mktemp("films") / "film"
    examples = [
        Example(place, str(i), "phantom", LABELS[i % 3], tags=frozenset({part}))
        for i, part in enumerate(["hand", "leg", "hand"])
    ]
    return [phantom.pixels for phantom in drawn], examples


def small(name, size=64, **changes):
    """A recipe on squares as small as its backbone takes."""
    recipe = RECIPES[name]
    size = max(size, 96) if recipe.backbone == "inceptionv3" else size
    return dataclasses.replace(recipe, image_size=size, batch_size=3, **changes)


def name_of(backbone):
    return next(n for n, r in RECIPES.items() if r.backbone == backbone)


def make_films(recipe, network, phantoms):
    grid = map_grid(recipe, network.output["evidence"].shape[1])
    return FilmSequence(*phantoms, recipe.image_size, grid, 3)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in RECIPES
    ],
)
def test_a_recipe_learns_and_explains_itself(name, phantoms):
    """Its first phase lowers its own loss; closed-form Grad-CAM equals autodiff."""
    keras.utils.set_random_seed(1)
    recipe = small(name).from_scratch()
    recipe = dataclasses.replace(recipe, dropout=(0.0, 0.0), schedule="constant")
    network = build_network(recipe, parts=PARTS)
    films = make_films(recipe, network, phantoms)
    if recipe.head == "cascade":
        fit_cascade(network, films.squares[..., None], films.examples, PARTS)
        network.get_layer("head").own.assign([1, 1])
    phase = dataclasses.replace(recipe.phases[0], learning_rate=1e-5)
    model = compile_phase(recipe, phase, network, steps=1)
    model.run_eagerly = True  # a few steps do not pay for a graph
    losses = [np.ravel(model.train_on_batch(*films[0]))[0] for _ in range(4)]
    assert np.isfinite(losses).all() and min(losses[1:]) < losses[0]

    pictures = films.squares[..., None]
    maps = np.asarray(network(pictures, training=False)["heatmaps"])
    assert maps.shape[1:3] == (maps.shape[1],) * 2 and maps.max() > 0
    assert gradcam_difference(network, pictures) <= 1e-4


@pytest.mark.parametrize(
    "backbone",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else [])
        for name in BACKBONES
    ],
)
def test_features_are_not_negative_and_export_exactly(backbone, phantoms, tmp_path):
    """Novelty takes a root of them; what is served is what was trained."""
    recipe = small(name_of(backbone))
    parts = PARTS if recipe.head == "cascade" else ()
    network = build_network(recipe, parts=parts)
    pictures = make_films(recipe, network, phantoms).squares[..., None]
    features = keras.Model(network.input, network.get_layer("features").output)
    assert np.asarray(features(pictures)).min() >= 0
    found = export_weights(tmp_path, recipe, network, SERVING, parts, {}, pictures)
    assert found <= TOLERANCE
    assert measure_parity(tmp_path, load_keras_model(tmp_path), pictures) <= TOLERANCE


@pytest.mark.parametrize("backbone", BACKBONES)
def test_cells_lie_where_their_receptive_fields_do(backbone):
    """The centre of what a cell looks at, in pixels of the square."""
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    recipe = small(name_of(backbone), 224, localisation_weight=0.0, output_stride=None)
    network = build_network(recipe)
    grid = map_grid(recipe, network.output["evidence"].shape[1])
    pixels, side = network.get_layer("scale").output, recipe.image_size
    features = keras.Model(pixels, network.get_layer("features").output)
    cell = grid.cells // 2
    noise = np.random.default_rng(0).normal(0, 1, (1, *pixels.shape[1:]))
    noise = tf.convert_to_tensor(noise.astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(noise)
        score = tf.reduce_sum(features(noise, training=False)[:, cell, cell])
    seen = np.square(tape.gradient(score, noise)).reshape(side, side, -1).sum(2)
    at = (np.arange(side) + 0.5) @ np.stack([seen.sum(0), seen.sum(1)], 1)
    expected = grid.first + cell * grid.step
    np.testing.assert_allclose(at / seen.sum(), expected, atol=max(3, 0.3 * grid.step))


@pytest.mark.parametrize(
    ("name", "most"),
    [("mobilenetv2-320", 0.75e9), ("mobilenetv3-320", 0.2e9), ("mobilenetv2", 1.66e9)],
)
def test_a_finer_map_costs_little(name, most):
    """Stride 16 at 320 pixels, and the first network's arithmetic beside it."""
    network = build_network(RECIPES[name])
    assert 0.5 * most < multiply_accumulates(network) <= most
    grid = map_grid(RECIPES[name], network.output["evidence"].shape[1])
    # Every cell in the film, and all of the film in cells.
    assert grid.step == 16
    if name != "mobilenetv2":
        assert (grid.first, grid.cells) == (8, 20)


def test_one_sigmoid_never_grades(phantoms, tmp_path):
    recipe = small("cnn-150")
    network = build_network(recipe)
    films = make_films(recipe, network, phantoms)
    export_weights(tmp_path, recipe, network, SERVING, (), {}, films.squares[..., None])
    classifier = FractureClassifier.from_pretrained(tmp_path)
    points = {"rule_out": 0.0, "rule_in": 0.0}  # whatever it says is a fracture
    classifier.config.__dict__["operating_points"] = points
    prediction = classifier.predict(phantoms[0][2])
    by_class = prediction.probabilities
    assert by_class["hairline"] == by_class["displaced"]
    assert prediction.finding == "fracture_suspected" and prediction.severity is None


CASCADE = small("resnet50-cascade", backbone="cnn", value_range=(0.0, 1.0))


@pytest.mark.parametrize(
    ("parts", "classifiers"),
    [
        ([0.1, 0.9, 0.2], [0, 2]),
        ([0.8, 0.1, 0.7], [0, 1]),
        ([0.6, 0.1, 0.7], [0]),  # too few films for a classifier of its own
        ([0.4, 0.1, 0.2], [0]),  # no part is clear
    ],
)
def test_the_cascade_asks_the_classifier_of_a_clear_part(parts, classifiers):
    head = build_network(CASCADE, parts=("hand", "leg", "hip")).get_layer("head")
    rng = np.random.default_rng(0)
    kernels, biases = (rng.normal(size=w.shape) for w in (head.kernels, head.biases))
    directions = rng.normal(size=head.directions.shape)
    head.kernels.assign(kernels), head.biases.assign(biases)
    head.directions.assign(directions), head.own.assign([1, 1, 0])
    pooled = rng.normal(size=(1, len(directions))).astype(np.float32)
    found = head.logits(pooled, np.array([parts], np.float32))
    kernel, bias = kernels[classifiers].sum(0), biases[classifiers].sum(0)
    np.testing.assert_allclose(found, pooled @ directions @ kernel + bias, rtol=1e-4)


def test_a_tie_of_parts_is_shared():
    head = build_network(CASCADE, parts=PARTS).get_layer("head")
    head.kernels.assign(0 * head.kernels)
    head.biases.assign(biases := np.arange(9.0).reshape(3, 3))
    pooled = np.zeros((1, head.centre.shape[0]), np.float32)
    found = head.logits(pooled, np.array([[0.7, 0.7]], np.float32))
    np.testing.assert_allclose(found, [biases[0] + biases[1:].mean(0)], atol=1e-6)


def test_a_data_set_of_one_part_trains_that_parts_classifier(phantoms):
    network = build_network(CASCADE, parts=("elbow",))
    labels = ["normal", "fractured"] * 20
    elbow = dataclasses.replace(phantoms[1][0], tags=frozenset({"elbow"}))
    examples = [dataclasses.replace(elbow, label=label) for label in labels]
    rng = np.random.default_rng(0)
    squares = rng.integers(0, 256, (len(examples), 64, 64, 1), np.uint8)
    fit_cascade(network, squares, examples, ("elbow",))
    head = network.get_layer("head")
    head.kernels.assign(0 * head.kernels)
    head.biases.assign([[0, 0, 0], [1, 2, 3]])
    found = network.predict(squares[:2], verbose=0)
    np.testing.assert_allclose(found["logits"], [[1, 2, 3]] * 2, atol=1e-6)


def test_without_parts_the_cascade_has_the_general_classifier_alone(phantoms, tmp_path):
    network = build_network(CASCADE)
    squares = make_films(CASCADE, network, phantoms).squares[..., None]
    fit_cascade(network, squares, phantoms[1], ())
    assert network.get_layer("head").kernels.shape[0] == 1
    assert "body_parts" not in network.output
    assert gradcam_difference(network, squares) <= 1e-4
    export_weights(tmp_path, CASCADE, network, SERVING, (), {}, squares)
    prediction = FractureClassifier.from_pretrained(tmp_path).predict(phantoms[0][0])
    assert prediction.body_parts == {} and prediction.body_part is None


def test_principal_components_have_unit_variance(phantoms):
    network = build_network(CASCADE, parts=PARTS)
    films = make_films(CASCADE, network, phantoms)
    fit_cascade(network, films.squares[..., None], films.examples, PARTS)
    head = network.get_layer("head")
    pooled = network.predict(films.squares[..., None], verbose=0)["embedding"]
    components = (pooled - np.asarray(head.centre)) @ np.asarray(head.directions)
    used = components[:, : len(pooled) - 1]
    np.testing.assert_allclose(np.cov(used.T), np.eye(len(pooled) - 1), atol=0.05)
    assert not components[:, len(pooled) - 1 :].any()


def test_a_part_needs_films_of_either_kind_for_a_classifier(phantoms):
    """20 normal and 20 fractured ones; others take the general classifier."""
    network = build_network(CASCADE, parts=PARTS)
    counts = {("hand", "normal"): 20, ("hand", "fractured"): 20}
    counts |= {("leg", "normal"): 40, ("leg", "fractured"): 19}
    examples = [
        dataclasses.replace(phantoms[1][0], label=label, tags=frozenset({part}))
        for (part, label), count in counts.items()
        for _ in range(count)
    ]
    rng = np.random.default_rng(0)
    squares = rng.integers(0, 256, (len(examples), 64, 64, 1), np.uint8)
    fit_cascade(network, squares, examples, PARTS)
    assert network.get_layer("head").own.numpy().tolist() == [1, 0]


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("mobilenetv2", "imagenet", "imagenet"),
        ("mobilenetv2", "none", None),
        ("cnn-150", "imagenet", None),
        ("mobilenetv2", "a.weights.h5", "a.weights.h5"),
        ("mobilenetv2", "{folder}", "mobilenetv2_1.0_imagenet.weights.h5"),
        ("mobilenetv2-paper", "{folder}", None),
        ("mobilenetv3-hybrid", "{folder}", "mobilenetv3small_1.0_imagenet.weights.h5"),
        ("vgg16", "{folder}", None),
    ],
)
def test_what_a_backbone_starts_from(name, source, expected, tmp_path):
    for file in ("mobilenetv2_1.0", "mobilenetv3small_1.0"):
        (tmp_path / f"{file}_imagenet.weights.h5").touch()
    if source == "{folder}":
        source, expected = str(tmp_path), expected and str(tmp_path / expected)
    assert backbone_weights(RECIPES[name], source) == expected


@pytest.mark.slow
def test_a_weights_folder_lends_to_its_own_kind_alone(weights, recipe):
    assert backbone_weights(recipe, str(weights)) == str(weights)
    assert backbone_weights(RECIPES["mobilenetv2"], str(weights)) is None
    assert backbone_weights(RECIPES["vgg16"], str(weights)) is None


@pytest.mark.parametrize("name", ["mobilenetv2", "mobilenetv3-hybrid"])
def test_stand_alone_weights_reach_every_layer(name, tmp_path):
    recipe = small(name, alpha=1.0)
    bare = BACKBONES[recipe.backbone].bare(recipe, None)
    path = tmp_path / "bare.weights.h5"
    bare.save_weights(path)
    network = build_network(recipe, backbone_weights=str(path))
    for layer in bare.layers:
        for one, other in zip(
            layer.get_weights(),
            network.get_layer(layer.name).get_weights() if layer.weights else (),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


def test_a_network_without_a_published_backbone_has_no_weights_to_load():
    with pytest.raises(BackboneError, match="there are none of cnn"):
        build_network(small("cnn-150"), backbone_weights="imagenet")


def test_other_output_strides_are_refused():
    with pytest.raises(ValueError, match="vgg16 has no output stride 16"):
        build_network(small("vgg16", output_stride=16))


def test_a_recipe_from_scratch_trains_everything_first():
    recipe = RECIPES["mobilenetv2-paper"].from_scratch()
    assert not recipe.pretrained and recipe.train_batch_norm
    assert [phase.unfreeze for phase in recipe.phases] == ["all", 30]


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("cnn-150", {"image_size": 150, "head": "sigmoid", "value_range": (0, 1)}),
        (
            "resnet50-cascade",
            {
                "backbone": "resnet50",
                "image_size": 224,
                "filters": ("gaussian", "contrast"),
                "head": "cascade",
            },
        ),
        ("cracknet", {"filters": ("gaussian", "contrast", "schmid")}),
        (
            "mobilenetv3-hybrid",
            {"backbone": "mobilenetv3small-cnn", "plateau": (0.5, 2)},
        ),
    ],
)
def test_recipes_are_what_their_papers_say(name, facts):
    recipe = RECIPES[name]
    assert {key: getattr(recipe, key) for key in facts} == facts


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mobilenetv2-paper", "here {hidden_units} units"),
        ("mobilenetv2-paper", "at most {phases[1].epochs} in each phase"),
        ("mobilenetv2-paper", "'the last {phases[1].unfreeze} layers'"),
        ("mobilenetv2-paper-1.0", "width {alpha}"),
        ("mobilenetv2-paper-0.35", "width {alpha}"),
        ("cnn-150", "grey films of {image_size} pixels"),
        ("cnn-150", "{hidden_units} units, dropout {dropout[1]}"),
        ("cnn-150", "Adam at {phases[0].learning_rate}, batches of {batch_size}"),
        ("cnn-150", "{phases[0].epochs} epochs"),
        ("resnet50-cascade", "here {hidden_units}, of unit variance"),
        ("resnet50-cascade", "a {schedule} schedule"),
        ("inception", "{hidden_units} units, dropout {dropout[1]}"),
        ("inception", "{phases[0].epochs} epochs of the head at"),
        ("inception", "{phases[1].epochs} from `{phases[1].unfreeze}` on"),
        ("dilated-cnn", "and {phases[0].epochs} epochs from scratch"),
        ("dilated-cnn", "Adam at {phases[0].learning_rate} falling to zero along a"),
        ("cracknet", "and {phases[0].epochs} epochs from scratch"),
        ("mobilenetv3-hybrid", "{image_size} pixels"),
        ("mobilenetv3-hybrid", "weight decay {weight_decay}, {phases[0].epochs} "),
        ("mobilenetv3-hybrid", "{phases[1].epochs} of everything at {rate:.4f}"),
        ("mobilenetv3-hybrid", "halved after {plateau[1]} epochs"),
        ("mobilenetv3-hybrid", "rotation by {augmentation.rotation:g} degrees"),
        ("vgg16", "the first phase at {phases[0].learning_rate:g}"),
    ],
)
def test_a_description_names_what_its_paper_does_not_state(name, said):
    recipe = RECIPES[name]
    rate = recipe.phases[-1].learning_rate
    assert said.format(**vars(recipe), rate=rate) in recipe.description


@pytest.mark.parametrize("name", ["mobilenetv2-paper", "mobilenetv2-paper-0.35"])
def test_of_the_last_30_layers_ten_train(name):
    recipe = RECIPES[name]
    network = build_network(recipe)
    set_trainable(network, recipe, recipe.phases[1].unfreeze)
    backbone = BACKBONES[recipe.backbone].layers(network)
    learning = [layer for layer in backbone if layer.trainable_weights]
    said = RECIPES["mobilenetv2-paper"].description
    assert f"the {len(learning)} convolutions" in said
    assert {type(layer).__name__ for layer in learning} == {"Conv2D", "DepthwiseConv2D"}


def test_the_hybrid_trains_in_two_phases_with_adamw():
    recipe = RECIPES["mobilenetv3-hybrid"]
    assert [phase.unfreeze for phase in recipe.phases] == [None, "all"]
    assert recipe.weight_decay > 0
    augmentation = recipe.augmentation
    assert augmentation.horizontal_flip and augmentation.rotation
    assert augmentation.contrast and augmentation.zoom


def test_filters_do_what_they_are_called():
    grey = np.full((1, 40, 40, 1), 60, np.float32)
    grey[0, 20, 20] = 90
    smooth = np.asarray(FILTERS["gaussian"](grey))
    assert smooth[0, 10, 10, 0] == pytest.approx(60)
    assert 60 < smooth.max() < 66 and smooth.argmax() == grey.argmax()
    stretched = np.asarray(FILTERS["contrast"](grey))
    assert (stretched.min(), stretched.max()) == (0, 255)
    flat = np.asarray(FILTERS["contrast"](0 * grey + 7))
    assert not flat.any()
    # Even grey gives nothing, a line gives the same along every direction.
    answers = np.asarray(FILTERS["schmid"](0 * grey + 60))
    assert np.abs(answers[:, 13:-13, 13:-13]).max() < 1e-3
    line = np.zeros((2, 41, 41, 1), np.float32)
    line[0, :, 20], line[1, 20, :] = 100, 100
    answers = np.abs(np.asarray(FILTERS["schmid"](line)))[:, 20, 20]
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-4)
    assert answers.max() > 1
