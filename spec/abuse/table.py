"""Writes what run.py found into the table of docs/reliability.md: table.py FIGURES COMMIT. Prints a summary."""

import json
import sys

from attack import ATTACKS

PAGE = "docs/reliability.md"
BEGIN, END = "<!-- begin: abuse -->\n", "<!-- end: abuse -->"
HEAD = [
    "| Attack | What, and how often | Received, p99 | Ratio (worst) | Answered, p99 | Ratio (worst) | For the class | Memory | Command |",
    "|---|---|---|---|---|---|---|---|---|",
]


def times(figures):
    """A p99 of quiet and attacked phases, and the ratio."""
    from_to = f"{figures['quiet'] / 1e3:.1f} → {figures['attacked'] / 1e3:.1f} ms"
    return f"{from_to} | {figures['ratio']:.1f} ({figures['worst_ratio']:.1f})"


def row(figures, commit):
    """A line of the table."""
    name, _, from_class = figures["attack"].partition("@")
    what = ATTACKS[name][0].__doc__.split("\n\n")[0].replace("\n", " ").rstrip(".")
    what = " ".join(what.split()) + ("; from the class's address" if from_class else "")
    memory = figures["memory"]
    outcome = "; ".join(figures["problems"]) or f"nothing refused of {figures['calls']} calls, nothing lost"
    cells = [
        figures["attack"], f"{what}; {figures['pairs']} × {figures['seconds']} s", times(figures["p99_us"]),
        times(figures["answer_p99_us"]), f"{outcome}, at {commit}",
        f"{memory['before']:.0f}, {memory['most']:.0f}, {memory['after']:.0f} MB (+{memory['bound']})",
        f"`MESH_ABUSE={figures['attack']} .ci/nightly abuse`",
    ]
    return "| " + " | ".join(cells).replace("|  |", "|") + " |"


def main(file, commit):
    with open(file, encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    with open(PAGE, encoding="utf-8") as page:
        head, rest = page.read().split(BEGIN)
    table, tail = rest.split(END)
    rows = {line.split("|")[1].strip(): line for line in table.strip().splitlines()[2:]}
    rows |= {figures["attack"]: row(figures, commit) for figures in found}
    order = [name for attack in ATTACKS for name in (attack, f"{attack}@class")]
    table = "\n".join(HEAD + [rows[name] for name in order if name in rows])
    with open(PAGE, "w", encoding="utf-8") as page:
        page.write(head + BEGIN + table + "\n" + END + tail)
    worst = max(found, key=lambda figures: figures["p99_us"]["ratio"])
    bad = [figures["attack"] for figures in found if figures["problems"]]
    outcome = f"failed: {', '.join(bad)}" if bad else "nothing refused to the class, nothing lost, memory within its bounds"
    print(f"{outcome}; p99 at most {worst['p99_us']['ratio']:.1f} times that of quiet phases ({worst['attack']})")


if __name__ == "__main__":
    main(*sys.argv[1:])
