"""The measured sections of the model card: every number in them is from the metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fracture.card.figures import figure_name
from fracture.card.tables import (
    Table,
    body_part_table,
    confusion_tables,
    figures_table,
    interval,
    localisation_table,
    number,
    subgroup_table,
    threshold_tables,
)


def results(metrics: Mapping, figures: str) -> Iterator[str]:
    """Figures of both splits, confusion tables, ROC and calibration."""
    test = metrics["test"]
    yield "## Results\n"
    yield (
        "Each figure within one source, on whole groups of films the training never "
        f"saw, with its 95 % interval from {test['draws']:,} bootstrap draws of groups "
        "and the number of films it is about. Calibration and thresholds come from "
        "the validation films; figures *at specificity* or *at sensitivity* read a "
        "threshold off the films themselves.\n"
    )
    for source, row in test["fracture"].items():
        yield (
            f"Prevalence: {row['fractured']} of {row['films']} test films of {source} "
            f"are fractured ({number(row['prevalence'])}).\n"
        )
    sections = ("fracture", "severity", "classes")
    yield figures_table(test, sections, metrics["validation"]).markdown()
    calibration = metrics["calibration"]
    yield (
        f"Calibration: temperature {calibration['temperature']:.3f}, normal offset "
        f"{calibration['normal_offset']:.3f}, fitted on {calibration['films']} "
        "validation films; probabilities are right at that prevalence only.\n"
    )
    for source in test["fracture"]:
        yield f"![ROC curve, {source}]({figures}/{figure_name('roc', source)})"
        name = figure_name("reliability", source)
        yield f"![Reliability diagram, {source}]({figures}/{name})\n"
    yield "### Confusion matrices of the test films\n"
    for table in confusion_tables(test):
        yield from _titled(table)
    for source in test["fracture"]:
        name = figure_name("confusion", source)
        yield f"![Findings by label, {source}]({figures}/{name})\n"
    if test["fracture"]:
        yield "### Subgroups of the test films\n"
        yield (
            "By what the source says of a film, and by the size of the largest box as "
            "a share of the film (small below 0.5 %, medium to 2 %, large; each "
            "against all normal films). Groups with fewer than 5 films of either kind "
            "have counts alone.\n"
        )
        yield subgroup_table(test).markdown()


def operating_points(metrics: Mapping, figures: str) -> Iterator[str]:
    """Both thresholds, what others would do, and those of body parts."""
    points, test = metrics["operating_points"], metrics["test"]
    yield "## Operating points\n"
    yield (
        f"Below a fracture probability of {number(points['rule_out']['threshold'])} "
        "(rule-out) the finding is *no fracture seen*, from "
        f"{number(points['rule_in']['threshold'])} (rule-in) on *fracture suspected*, "
        "between them *uncertain: needs a reader*. They were chosen for a sensitivity "
        "and a specificity of at least 0.95 on the validation films; what they do on "
        "test films stands in the results.\n"
    )
    yield (
        "To choose others: who refers every film from a threshold on gets, on the test "
        "films, the following. Net benefit (Vickers & Elkin, 2006) counts true "
        "referrals and takes off needless ones at the odds of the threshold.\n"
    )
    for table in threshold_tables(test, step=0.04):
        yield from _titled(table)
    for source in test["fracture"]:
        name = figure_name("decision", source)
        yield f"![Decision curve, {source}]({figures}/{name})\n"
    yield from _part_points(metrics["part_operating_points"])


def _part_points(parts: Mapping) -> Iterator[str]:
    rows = [
        (
            *(part, point.replace("_", "-"), number(threshold)),
            *(
                interval(row[whose][f"{point}_{measure}"])
                for measure in ("sensitivity", "specificity")
                for whose in ("common", "own")
            ),
            interval(row["gain"]),
        )
        for part, row in parts.items()
        if row["supported"]
        for point, threshold in row["thresholds"].items()
    ]
    if not rows:
        return
    yield (
        "Thresholds of a body part's own, for parts with at least 40 fractured "
        "validation films, against the common ones on that part's test films. *Gain* "
        "is how far the mean of sensitivity and specificity at both points rises; an "
        "interval that holds 0 supports no change.\n"
    )
    header = (
        *("part", "point", "own threshold", "sensitivity, common", "own"),
        *("specificity, common", "own", "gain"),
    )
    yield Table("Body parts", header, rows).markdown()


def heatmap(metrics: Mapping) -> Iterator[str]:
    """What the explanation was checked for, and what it cannot do."""
    parity, test = metrics["parity"], metrics["test"]
    yield "## Heatmap\n"
    yield (
        "Grad-CAM in closed form, on logits, for every class in one forward pass. On "
        "the trained weights it differs from automatic differentiation by at most "
        f"{parity['gradcam_relative_difference']:.1e} of a map's maximum, and the "
        "exported model from the Keras model by at most "
        f"{parity['export_difference']:.1e}.\n"
    )
    if test["localisation"]:
        yield "**Does it point at the fracture?**\n"
        validation = metrics["validation"]
        yield figures_table(test, ("localisation",), validation).markdown()
        yield (
            "Beside it, by size of the largest box: what a random pixel (area chance), "
            "the centre of the film and the mean place of other groups' boxes (usual "
            "place) would hit. The pointing game counts maxima inside a box; its "
            "authors (Zhang et al., 2018) also count those up to 15 pixels away, here "
            "pixels of the network's square.\n"
        )
        yield localisation_table(test).markdown()
    checks = metrics["explanation"]
    randomised, deleted = checks["randomisation"], checks["deletion"]
    yield (
        "**Does it depend on the weights?** (Adebayo et al., 2018.) With shuffled "
        "weights its rank correlation with itself is "
        + ", ".join(
            f"{interval(figure)} ({name.replace('_', ' ')})"
            for name, figure in randomised.items()
        )
        + ".\n"
    )
    yield (
        "**Does the score depend on what it shows?** Blurring its strongest cells away "
        f"lowers the fracture log-odds by {interval(deleted['by_heatmap'])} on "
        f"average, random cells by {interval(deleted['by_chance'])}; the difference is "
        f"{interval(deleted['difference'])}, on {deleted['difference']['n']} fractured "
        "test films.\n"
    )
    yield (
        "**What it cannot do.** It shows regions that influenced the score, not where "
        f"the fracture is. Its cells lie {test['heatmap_step']:.0f} pixels of the "
        "network's square apart: it cannot outline a fracture, may miss one of "
        "several, and is weakest where fractures are small, as saliency maps are in "
        "general (Arun et al., 2021: each of eight methods fails a test of trust; "
        "Saporta et al., 2022: worst on small and complex findings). It means nothing "
        "where the score is wrong or the film was not judged. Where the place of a "
        "fracture is the question, a detector is the tool.\n"
    )


def body_parts(metrics: Mapping) -> Iterator[str]:
    """The second output."""
    table = body_part_table(metrics["test"])
    if table.rows:
        yield "## Body part\n"
        yield (
            "A second output names what the film shows; several parts may be on one. "
            "On the test films whose source names parts:\n"
        )
        yield table.markdown()


def out_of_distribution(metrics: Mapping) -> Iterator[str]:
    """What is not judged, and how surely."""
    if not (measured := metrics.get("out_of_distribution")):
        return
    yield "## What it does not judge\n"
    yield (
        "A film that resembles the training films less, and pictures that are no films "
        f"more, than {measured['quantile']:.0%} of the validation films do is not "
        "judged. Against test films, and how many of each kind are turned away:\n"
    )
    unseen = measured.get("unseen_kinds", {})
    rows = [
        (
            *(kind.replace("_", " "), str(row["n"])),
            interval(row["auroc"]),
            interval(unseen[kind]) if kind in unseen else "-",
            interval(row["flagged"]),
        )
        for kind, row in measured["kinds"].items()
    ]
    rows += [
        (f"radiographs, {split}", str(figure["n"]), "-", "-", interval(figure))
        for split, figure in measured["films_flagged"].items()
    ]
    header = ("kind", "images", "AUROC", "AUROC, kind unseen", "not judged")
    yield Table("Kinds", header, rows).markdown()
    yield (
        "*Kind unseen*: by a detector fitted without that kind, so nearer to what a "
        "picture nobody thought of meets. Chests are drawn, photographs are parts of "
        "few pictures; films of a device or hospital unlike those it was fitted on "
        "are turned away more often than the last rows say.\n"
    )


def failures(metrics: Mapping) -> Iterator[str]:
    """The surest errors on the test films, in words."""
    kinds = {
        "missed": "Fractured films ruled out, the surest first",
        "false_alarms": "Normal films ruled in, the surest first",
    }
    yield "## Where it fails\n"
    for key, title in kinds.items():
        films = metrics["test"]["failures"][key]
        yield f"**{title}**{'' if films else ': none'}\n"
        yield from (f"- `{film['name']}`. {film['sentence']}" for film in films)
        yield ""


def _titled(table: Table) -> Iterator[str]:
    yield f"**{table.title}**\n"
    yield table.markdown()
