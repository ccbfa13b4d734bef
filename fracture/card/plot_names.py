"""The plots of a report: what each is drawn from, and what its file is called."""

from __future__ import annotations

import re

_POINTS = {
    f"{point}_{measure}"
    for point in ("rule_out", "rule_in")
    for measure in ("sensitivity", "specificity")
}
# Kind of a plot -> the figures of a source that it shows; without them it is not drawn.
PLOTS = {
    "roc": {"roc", "auroc", *_POINTS},
    "reliability": {"reliability", "ece"},
    "confusion": {"findings"},
    "decision": {"thresholds", "prevalence"},
    "froc": {"strict", "tolerant", "films"},
}


def plot_file(kind: str, source: str) -> str:
    """File name of a plot, one of `PLOTS`, of a source's films."""
    name = re.sub(r"\W+", "-", source.lower())
    return f"{kind}-{name}.png"
