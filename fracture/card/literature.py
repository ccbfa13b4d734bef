"""What others report: claims and published figures with their sources, not ours.

The only numbers of the model card that no run of this project measures.
"""

from __future__ import annotations

# System, data, what it claims, what stands between the claim and a comparison.
CLAIMS = (
    (
        "'Real-Time Bone Fracture Detection Using MobileNetV2 and Explainable AI for "
        "Clinical Integration' (2025): MobileNetV2, alpha 0.75, Grad-CAM",
        "elbow, hand and shoulder films derived from MURA",
        "accuracy 89.26 %, precision 91.52 %, recall 89.26 %, F1 89.04 %",
        "test-set sizes disagree (1,018 and 2,034 films); no split by patient or "
        "duplicate; no intervals",
    ),
    (
        "'CNN bone fracture classifier' (student report): plain CNN, 150 x 150 grey",
        "not described in full",
        "none that can be compared",
        "names its own gaps: diversity of the data, privacy, interpretability",
    ),
    (
        "'Bone Fracture Identification with Deep Learning Model using ResNet50': "
        "ResNet50 features, PCA, one model per body part",
        "MURA elbow, hand, shoulder",
        "accuracy 95 %; fracture precision 98, recall 96 % (n = 525), no fracture 88 "
        "and 93 % (n = 175)",
        "MURA labels *abnormal*, not *fractured*; validation loss rises in training",
    ),
    (
        "'Hybrid MobileNetV3-CNN' (2025, abstract)",
        "Fracture Multi-Region X-ray, 10,580 images",
        "accuracy 97 %",
        "of 9,752 files in its train and test folders 8,930 are rotated copies of "
        "about 124 films, 453 file contents occur on both sides of the split",
    ),
)

# Study, films, result: films kept apart by patient or hospital, or read prospectively.
PUBLISHED = (
    (
        "[Kuo et al., Radiology 2022](https://doi.org/10.1148/radiol.211785), "
        "meta-analysis of 42 studies",
        "external validation sets",
        "sensitivity 91 % (84 to 95), specificity 91 % (81 to 95); clinicians 94 % and "
        "94 %; 52 % of the studies at high risk of bias",
    ),
    (
        "Luiken et al., Radiography 2025, prospective, three commercial products",
        "1,037 adults, 22 regions, 29.6 % fractured",
        "AUC 0.849, 0.840 and 0.772; for multiple fractures 0.64 to 0.73",
    ),
    (
        "[Huhtanen et al., Emergency Radiology 2025]"
        "(https://doi.org/10.1007/s10140-025-02353-2), two commercial products",
        "998 radiographs, 413 abnormal",
        "sensitivity 0.893 and 0.872, specificity 0.885 and 0.892; 66 and 70 % of the "
        "missed ones were subtle",
    ),
    (
        "[Rajpurkar et al., 2017](https://arxiv.org/abs/1712.06957), DenseNet-169",
        "MURA, 207 test studies, abnormal against normal",
        "AUROC 0.929, sensitivity 0.815, specificity 0.887",
    ),
    (
        "Xception-Swin, Journal of Imaging 2026, 12(7):298",
        "trained on MURA, FracAtlas unseen",
        "AUC 0.825, kappa 0.58",
    ),
)

# Why a number from a leaked split is higher, each with what shows it.
LEAKS = (
    "Copies on both sides of a split are recognised, not diagnosed. `python -m "
    "fracture audit FOLDER` counts them in any data set.",
    "Films of one patient, or of one day's work, share anatomy, plaster, markers and "
    "exposure. In FracAtlas the film after a fractured one is fractured in 74 %, "
    "against 18 % overall, so a split by film leaks what a split by group does not.",
    "A figure on validation films that chose the weights or the threshold is not a "
    "test figure. Here the test films chose nothing.",
    "Accuracy follows prevalence: where 18 % of films are fractured, calling "
    "everything normal is right in 82 %.",
    "The mix of films counts: on GRAZPEDWRI precision fell from 0.95 on random test "
    "films to 0.83 on films balanced by difficulty "
    "([PMC12559094](https://pmc.ncbi.nlm.nih.gov/articles/PMC12559094)).",
)
