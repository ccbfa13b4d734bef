"""The tables of a report, the same on the command line and in the model card."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from fracture.prediction import FINDINGS

# Section of a report -> key of a figure -> how people call it.
FIGURES = {
    "fracture": {
        "auroc": "AUROC, fracture against normal",
        "auroc_without_hardware": "AUROC, films without hardware",
        "average_precision": "average precision",
        "sensitivity_at_specificity_90": "sensitivity at specificity 0.90",
        "sensitivity_at_specificity_95": "sensitivity at specificity 0.95",
        "specificity_at_sensitivity_95": "specificity at sensitivity 0.95",
        "accuracy": "accuracy, from a probability of 0.5 on",
        "precision": "precision at 0.5",
        "recall": "recall at 0.5",
        "f1": "F1 at 0.5",
        "kappa": "Cohen's kappa at 0.5",
        "brier": "Brier score",
        "ece_before_calibration": "expected calibration error of raw logits",
        "ece": "expected calibration error, calibrated",
        **{
            f"{point}_{key}": f"{name} at {point.replace('_', '-')}"
            for point in ("rule_out", "rule_in")
            for key, name in (
                ("sensitivity", "sensitivity"),
                ("specificity", "specificity"),
                ("ppv", "positive predictive value"),
                ("npv", "negative predictive value"),
            )
        },
        "uncertain": "share called uncertain",
        "not_judged": "share not judged",
    },
    "severity": {
        "auroc": "AUROC, displaced against hairline",
        "accuracy": "accuracy, hairline or displaced",
        "macro_precision": "precision, mean of both",
        "macro_recall": "recall, mean of both",
        "macro_f1": "F1, mean of both",
        "kappa": "Cohen's kappa",
    },
    "classes": {
        "accuracy": "accuracy, three classes",
        "macro_precision": "precision, mean of three",
        "macro_recall": "recall, mean of three",
        "macro_f1": "F1, mean of three",
        "kappa": "quadratic kappa",
    },
    "localisation": {
        "pointing_game": "pointing game: maximum inside a box",
        "pointing_game_tolerant": "pointing game: within 15 pixels of a box",
        "energy_inside": "share of the map inside the boxes",
    },
}
_SUBGROUP_FIGURES = {
    "auroc": "AUROC",
    "rule_out_sensitivity": "sensitivity, rule-out",
    "rule_in_specificity": "specificity, rule-in",
    "uncertain": "uncertain",
}
# What the heatmap's figures are compared with: random pixel, centre, usual place.
_CHANCES = {
    "area_chance": "area chance",
    "centre_guess": "centre",
    "prior_guess": "usual place",
}
_THRESHOLD_COLUMNS = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "net_benefit": "net benefit",
    "net_benefit_all": "net benefit, refer all",
}


@dataclasses.dataclass(frozen=True)
class Table:
    """Cells of text under a header."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        """As GitHub and the Hub render it, without the title."""
        lines = (self.header, ("---",) * len(self.header), *self.rows)
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def number(value: float | None, digits: int = 3) -> str:
    """A figure's digits, or a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def interval(figure: Mapping) -> str:
    """A figure with its 95 % interval."""
    if figure["ci95"] is None:
        return number(figure["value"])
    low, high = figure["ci95"]
    return f"{number(figure['value'])} ({low:.3f} to {high:.3f})"


def figures_table(
    report: Mapping, sections: Sequence[str], validation: Mapping | None = None
) -> Table:
    """Every figure of some sections, per source; beside it that of a second report."""
    rows = []
    for section in sections:
        for source, figures in report[section].items():
            other = validation[section].get(source, {}) if validation else {}
            for key, name in FIGURES[section].items():
                beside = [number(other.get(key, {}).get("value"))] if validation else []
                cells = (interval(figures[key]), str(figures[key]["n"]))
                rows.append((name, source, *beside, *cells))
    header = ("figure", "source")
    if validation:
        header += ("validation", "test (95 % interval)", "n")
    else:
        header += ("value (95 % interval)", "n")
    return Table("Figures", header, rows)


def films_table(report: Mapping) -> Table:
    """How many films there are, and what was found."""
    rows = [
        (
            *(source, label, str(sum(found.values()))),
            *(str(found.get(finding, 0)) for finding in FINDINGS),
        )
        for source, labels in report["films"].items()
        for label, found in labels.items()
    ]
    findings = (finding.replace("_", " ") for finding in FINDINGS)
    return Table("Films and findings", ("source", "label", "films", *findings), rows)


def subgroup_table(report: Mapping) -> Table:
    """Fracture against normal by subgroup."""
    rows = [
        (
            name,
            source,
            str(group["films"]),
            str(group["fractured"]),
            *(interval(group[key]) for key in _SUBGROUP_FIGURES),
        )
        for source, figures in report["fracture"].items()
        for name, group in figures["subgroups"].items()
    ]
    header = ("subgroup", "source", "films", "fractured", *_SUBGROUP_FIGURES.values())
    return Table("Subgroups", header, rows)


def confusion_tables(report: Mapping) -> Iterator[Table]:
    """What is true against what is said, in films."""
    for section, key, title in (
        ("fracture", "confusion", "fracture from a probability of 0.5 on"),
        ("fracture", "findings", "finding at both operating points"),
        ("severity", "confusion", "hairline or displaced"),
        ("classes", "confusion", "the likeliest of three classes"),
    ):
        for source, figures in report[section].items():
            counts = figures[key]
            said = tuple(next(iter(counts.values())))
            yield Table(
                f"{source}: {title}",
                ("truth", *(name.replace("_", " ") for name in said)),
                [(truth, *map(str, row.values())) for truth, row in counts.items()],
            )


def threshold_tables(report: Mapping, step: float = 0.02) -> Iterator[Table]:
    """Consequences of thresholds, operating points included.

    Args:
        step: only thresholds that are multiples of it, beside the operating points.
    """
    shown = {round(step * i, 2) for i in range(1, int(0.5 / step) + 1)}
    for source, figures in report["fracture"].items():
        rows = [
            (
                number(row["threshold"]),
                (row["operating_point"] or "").replace("_", "-"),
                *(number(row[key]) for key in _THRESHOLD_COLUMNS),
                number(row["referred_per_100"], 1),
            )
            for row in figures["thresholds"]
            if row["operating_point"] or row["threshold"] in shown
        ]
        columns = (*_THRESHOLD_COLUMNS.values(), "referred per 100")
        yield Table(f"{source}: thresholds", ("refer from", "", *columns), rows)


def localisation_table(report: Mapping) -> Table:
    """The heatmap against the boxes, by size of box, beside what chance gets."""
    rows = []
    for source, figures in report["localisation"].items():
        for name, row in (("all", figures), *figures["by_size"].items()):
            cells = [
                interval(row["pointing_game"]),
                *(number(row[key]) for key in _CHANCES),
                interval(row["pointing_game_tolerant"]),
                *(number(row[f"{key}_tolerant"]) for key in _CHANCES),
                interval(row["energy_inside"]),
                number(row["prior_energy"]),
            ]
            rows.append((name, source, str(row["films"]), *cells))
    chances = tuple(_CHANCES.values())
    header = (
        *("boxes", "source", "films"),
        *("pointing game", *chances),
        *("within 15 pixels", *chances),
        *("share of the map inside", "of a usual-place map"),
    )
    return Table("Heatmap against boxes", header, rows)


def body_part_table(report: Mapping) -> Table:
    """The second output, part by part."""
    keys = ("auroc", "sensitivity", "specificity")
    rows = [
        (part, str(row["n"]), str(row["positive"]), *(interval(row[k]) for k in keys))
        for part, row in report["body_part"].items()
    ]
    header = ("part", "films", "showing it", "AUROC", *keys[1:])
    return Table("Body part, from a probability of 0.5 on", header, rows)


def report_tables(report: Mapping) -> list[Table]:
    """All tables of a report that have rows."""
    tables = [
        films_table(report),
        figures_table(report, tuple(FIGURES)),
        *confusion_tables(report),
        subgroup_table(report),
        *threshold_tables(report, step=0.1),
        localisation_table(report),
        body_part_table(report),
    ]
    return [table for table in tables if table.rows]
