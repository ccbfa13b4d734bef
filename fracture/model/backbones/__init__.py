"""The backbones: from pixels to the feature map that a head reads."""

import dataclasses

from fracture.model.backbones.applications import (
    CAFFE,
    TORCH,
    application,
    mobilenetv2_at_16,
)
from fracture.model.backbones.backbone import Backbone
from fracture.model.backbones.grown import hybrid, pyramid
from fracture.model.backbones.plain import plain

_LARGER = application("MobileNetV2", 31.5, "block_16_expand", "mobilenet", width=True)
_SMALL = application(
    "MobileNetV3Small",
    31.5,
    "expanded_conv_10_expand",
    "mobilenet",
    width=True,
    include_preprocessing=False,
)
# `early` is the map before a backbone's last stride. The last one, trained on fractures
# alone, lays chests and empty frames onto limbs.
BACKBONES: dict[str, Backbone] = {
    "mobilenetv2": dataclasses.replace(
        _LARGER,
        early="block_13_expand_relu",
        finer=mobilenetv2_at_16,
    ),
    "mobilenetv2-pyramid": pyramid(
        _LARGER, "block_13_pad", 128, title="MobileNetV2 with a pyramid"
    ),
    "mobilenetv3small-pyramid": pyramid(
        _SMALL,
        "expanded_conv_8_depthwise_pad",
        96,
        title="MobileNetV3-Small with a pyramid",
    ),
    "mobilenetv3small-cnn": hybrid(
        _SMALL,
        title="MobileNetV3-Small with convolution blocks",
        last_block="added2",
    ),
    "resnet50": dataclasses.replace(
        application("ResNet50", 0.5, "conv5_block3_1_conv", "resnet", scaling=CAFFE),
        early="conv4_block6_out",
    ),
    "densenet121": application(
        "DenseNet121", 14.5, "conv5_block1_0_bn", "densenet", scaling=TORCH
    ),
    "vgg16": application("VGG16", 16, "block5_conv1", "vgg", scaling=CAFFE),
    "inceptionv3": application("InceptionV3", 37.5, "mixed9", "inception"),
    "cnn": plain("CNN of four blocks", (32, 64, 128, 128), (1, 1, 1, 1), norm=False),
    "cnn-norm": plain("CNN of four blocks", (32, 64, 128, 128), (1, 1, 1, 1)),
    "dilated-cnn": plain("Dilated CNN", (32, 64, 64, 128, 128), (1, 1, 2, 4, 8)),
}
