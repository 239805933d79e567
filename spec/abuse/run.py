"""Attacks a server while a class of 40 is at work: run.py [--pairs N] [--seconds N] [--seed N] [--json FILE]
[--brief] PROGRAM [ATTACK...]. docs/reliability.md, Abuse, says how to read the figures.

Each attack has a server of its own. Quiet phases and phases under attack take turns, and a ratio compares
the two of a pair, which lie seconds apart."""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from attack import ATTACKS
from lesson import Lesson, problems, seconds_between, until
from place import CLASS_ADDRESS, KEY, STRANGERS, Server, enter_network

HERE = pathlib.Path(__file__).parent
# After an attack began or ended, until a phase is measured.
LEAD, TAIL = 1, 2


class Attack:
    """A process that attacks, served after everybody else."""

    def __init__(self, name, server, group, seed):
        attack, _, from_class = name.partition("@")
        target = {"host": CLASS_ADDRESS, "port": server.port, "tls_port": server.tls_port, "key": KEY,
                  "addresses": [CLASS_ADDRESS] if from_class else STRANGERS, "group": group if from_class else None}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "attack.py"), attack, json.dumps(target), str(seed)],
            stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.nice(19),
        )
        self.process.stdout.readline()

    def end(self):
        """Stops it; returns what it counted."""
        self.process.terminate()
        printed, _ = self.process.communicate(timeout=30)
        return json.loads(printed)


def phases(name, options, server, lesson):
    """Runs the pairs; returns their windows and what each attack counted."""
    windows, counted = [], []
    for pair in range(options.pairs):
        quiet = (time.time(), time.time() + options.seconds)
        until(quiet[1])
        attack = Attack(name, server, lesson.group, options.seed + pair)
        attacked = (time.time() + LEAD, time.time() + LEAD + options.seconds)
        until(attacked[1])
        counted.append(attack.end())
        windows.append((quiet, attacked))
        time.sleep(TAIL)
    return windows, counted


def try_attack(name, options):
    """One attack from the server's start to its end; returns the figures."""
    server = Server(options.program)
    # A second more for each phase: the load tool's seconds do not begin with it.
    pair = 2 * options.seconds + LEAD + TAIL + 1.5
    with tempfile.TemporaryDirectory() as folder:
        lesson = Lesson(options.program, server, int(options.pairs * pair) + 1, folder)
        time.sleep(3)
        before = server.memory()
        windows, counted = phases(name, options, server, lesson)
        report, clients = lesson.end()
    bound = ATTACKS[name.partition("@")[0]][1]
    most, after, found = end(server, before, bound)
    found += problems(report, clients) + wrong(counted)
    figures = {"attack": name, "pairs": options.pairs, "seconds": options.seconds, "problems": found,
               "memory": {"before": before, "most": most, "after": after, "bound": bound},
               "counted": [attack["counts"] for attack in counted], "calls": report["checked"]["published"] + clients["calls"],
               "attackers_cpu_percent": 100 * sum(attack["cpu"] for attack in counted) / options.pairs / (options.seconds + LEAD)}
    for what in ("p99_us", "answer_p99_us", "server_cpu_percent"):
        figures[what] = compared(report, windows, what)
    return figures


def try_briefly(options):
    """Each attack for a second, one after another on one server: for the gate, which measures no times."""
    server = Server(options.program)
    names = options.attacks or list(ATTACKS)
    with tempfile.TemporaryDirectory() as folder:
        lesson = Lesson(options.program, server, 2 * len(names), folder)
        before, counted = server.memory(), []
        for name in names:
            attack = Attack(name, server, lesson.group, options.seed)
            time.sleep(1)
            counted.append(attack.end())
        report, clients = lesson.end()
    bound = max(ATTACKS[name.partition("@")[0]][1] for name in names)
    most, after, found = end(server, before, bound)
    found += problems(report, clients) + wrong(counted)
    print(
        f"{len(names)} attacks of a second: memory {before:.0f}, {most:.0f}, {after:.0f} MB; "
        f"{report['checked']['published'] + clients['calls']} calls of the class; problems: {found or 'none'}"
    )
    return found


def wrong(counted):
    """What the attacks themselves report as wrong."""
    found = [attack["failure"] for attack in counted if attack["failure"]]
    idle = [attack for attack in counted if not attack["counts"].get("connections")]
    return found + ["an attack did not connect"] * len(idle) + [
        what for attack in counted for what in attack["counts"] if what.startswith("wrong: ")
    ]


def end(server, before, bound):
    """Stops the server; returns its most memory, that some seconds later, and what is wrong with it."""
    found, most = [], server.memory("VmHWM")
    if most - before > bound:
        found.append(f"the server grew by {most - before:.0f} MB, over its {bound} MB")
    after = server.settled_memory(before + 10, 6)
    if "__typename" not in server.call("{ __typename }"):
        found.append("the server does not answer afterwards")
    logged = server.stop()
    if "panicked" in logged:
        found.append("a panic: " + logged[logged.index("panicked"):][:200])
    return most, after, found


def compared(report, windows, what):
    """A figure in quiet and attacked phases: the median of a phase's seconds, and the pairs' ratios."""
    both = [[seconds_between(report, window) for window in pair] for pair in windows]
    medians = [[statistics.median(point[what] or 0 for point in phase) for phase in pair] for pair in both]
    ratios = [attacked / quiet for quiet, attacked in medians if quiet]
    return {
        "quiet": statistics.median(quiet for quiet, _ in medians),
        "attacked": statistics.median(attacked for _, attacked in medians),
        "slowest_second": max(point[what] or 0 for pair in both for point in pair[1]),
        "slowest_quiet_second": max(point[what] or 0 for pair in both for point in pair[0]),
        "ratio": statistics.median(ratios), "worst_ratio": max(ratios),
    }


def shown(figures):
    """A line for the log."""
    received, answered, memory = figures["p99_us"], figures["answer_p99_us"], figures["memory"]
    return (
        f"{figures['attack']}: received {received['quiet'] / 1e3:.2f} -> {received['attacked'] / 1e3:.2f} ms, "
        f"ratio {received['ratio']:.2f} (worst {received['worst_ratio']:.2f}), "
        f"slowest seconds {received['slowest_quiet_second'] / 1e3:.0f} and {received['slowest_second'] / 1e3:.0f} ms, "
        f"answered {answered['quiet'] / 1e3:.2f} -> {answered['attacked'] / 1e3:.2f} ms, ratio {answered['ratio']:.2f} "
        f"(worst {answered['worst_ratio']:.2f}); memory {memory['before']:.0f}, {memory['most']:.0f}, {memory['after']:.0f} MB; "
        f"CPU of the server {figures['server_cpu_percent']['attacked']:.0f} %, of the attackers {figures['attackers_cpu_percent']:.0f} %; "
        f"problems: {figures['problems'] or 'none'}; {figures['counted'][-1]}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json")
    parser.add_argument("--brief", action="store_true", help="each attack for a second, and no times")
    parser.add_argument("program")
    parser.add_argument("attacks", nargs="*")
    options = parser.parse_args()
    options.program = os.path.realpath(options.program)
    both = [names for name, (_, _, by_class) in ATTACKS.items() for names in [name, f"{name}@class"][: 1 + by_class]]
    unknown = set(options.attacks) - set(both)
    if unknown:
        sys.exit(f"there is no attack {', '.join(sorted(unknown))}; there are {' '.join(both)}")
    enter_network()
    # An orderly end, which stops the server.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.brief:
        sys.exit(bool(try_briefly(options)))
    failed = 0
    for name in options.attacks or both:
        figures = try_attack(name, options)
        print(shown(figures), flush=True)
        failed += bool(figures["problems"])
        if options.json:
            with open(options.json, "a", encoding="utf-8") as file:
                file.write(json.dumps(figures) + "\n")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
