"""Writes second_moment.csv: what logs say of stretches of steps.

    python -m benchmarks.studies.second_moment

The run that one gradient spoilt, and preset `small` where open loop begins with three kinds of
Adam: as it is, gradients bounded at 4 times the running mean of their norm (a trial that is not in
the program), and training.beta_2=0.99 from step 2,784 on.
"""

import csv
import itertools
import pathlib
import statistics

RUNS = pathlib.Path(__file__).parents[2] / "results" / "highway"
TABLES = RUNS / "tuning"
SPOILT = (2600, 3600, 4200, 4400, 5400, 6400, 7400, 8400, 9400, 10_900)
OPEN_LOOP = (2800, 3000, 3200, 3400, 3600)
LOGS = {
    "lmvp-paper-short_drive": (RUNS / "lmvp-paper-short_drive" / "log.csv", SPOILT),
    "lmvp-small-beta_2_999": (RUNS / "lmvp-small-beta_2_999" / "log.csv", OPEN_LOOP),
    "bounded": (TABLES / "second_moment" / "bounded-log.csv", OPEN_LOOP),
    "beta_2": (TABLES / "second_moment" / "beta_2-log.csv", OPEN_LOOP),
}


def main():
    rows = []
    for name, (path, edges) in LOGS.items():
        with path.open(newline="") as file:
            log = list(csv.DictReader(file))
        rows += [_stretch(name, log, *ends) for ends in itertools.pairwise(edges)]
    with (TABLES / "second_moment.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _stretch(name, log, start, end):
    """Of the rows after `start` and up to `end`."""
    rows = [row for row in log if start < int(row["step"]) <= end]
    losses = [float(row["L_recons"]) for row in rows]
    result = {"log": name, "after_step": start, "to_step": end}
    result["L_recons/mean"] = f"{statistics.mean(losses):.6f}"
    result["L_recons/median"] = f"{statistics.median(losses):.6f}"
    for network in "FMG":
        moves = [float(row[f"update_norm/{network}"]) for row in rows]
        slopes = [float(row[f"gradient_norm/{network}"]) for row in rows]
        result[f"update_norm/{network}/median"] = f"{statistics.median(moves):.4g}"
        result[f"gradient_norm/{network}/largest"] = f"{max(slopes):.4g}"
    return result


if __name__ == "__main__":
    main()
