"""The class of 40: 36 members of the load tool, two of which poll, and four published clients."""

import datetime
import json
import os
import pathlib
import subprocess
import sys
import time

from place import KEY

HERE = pathlib.Path(__file__).parent
# Before the first phase: the published clients take some seconds to start.
WARM_UP = 6
# 34 members on WebSockets and two that poll; 80 reports and 20 events a second, well below the limits.
MEMBERS = ["--groups", "1", "--subscribers", "34", "--publishers", "34", "--pollers", "2",
           "--rate", "100", "--mix", "reports=4,fires=1", "--threads", "1"]


class Lesson:
    """A lesson of so many seconds."""

    def __init__(self, program, server, seconds, folder):
        self.report_file = pathlib.Path(folder, "report.json")
        domain = json.loads(server.call("mutation { createDomain }"))["data"]["createDomain"]
        command = [program, "bench", "--endpoint", server.url, "--domain", domain, *MEMBERS, "--warm-up",
                   str(WARM_UP), "--seconds", str(seconds), "--json", str(self.report_file)]
        environment = {**os.environ, "APPSYNC_API_KEY": KEY}
        self.members = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=first_served
        )
        # The certificate is the server's own and names this machine only.
        environment = {**environment, "NODE_NO_WARNINGS": "1", "NODE_TLS_REJECT_UNAUTHORIZED": "0"}
        self.clients = subprocess.Popen(
            ["node", str(HERE / "class.mjs"), server.url, server.tls_url, KEY, domain],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, preexec_fn=first_served,
        )
        joined = self.clients.stdout.readline()
        if not joined:
            sys.exit("the published clients do not start: npm ci in spec/clients installs them")
        self.group = json.loads(joined)

    def end(self):
        """Waits for the end; returns the load tool's report and what the published clients found."""
        found, _ = self.clients.communicate(timeout=60)
        self.members.wait(120)
        return json.loads(self.report_file.read_text()), json.loads(found.strip().splitlines()[-1])


def first_served():
    """The class is served before the attackers, who share the machine with it."""
    try:
        os.nice(-5)
    except PermissionError:
        pass


def problems(report, clients):
    """What was refused to the class, or went wrong for it."""
    checked = report["checked"]
    names = ("refused", "unanswered", "lost", "duplicated", "reordered", "misrouted", "strange", "cut")
    found = [f"{checked[name]} {name}" for name in names if checked[name]]
    if checked["published"] == 0 or report["ended_early"]:
        found.append("the lesson ended early")
    if found:
        found += report["problems"][-1:]
    return found + clients["failures"][:3]


def seconds_between(report, window):
    """The report's seconds that lie within a window of the wall clock."""
    began = datetime.datetime.fromisoformat(report["measured_since"]).timestamp()
    start, end = window
    return [
        point for point in report["series"] if start <= began + point["second"] - 1 and began + point["second"] <= end
    ]


def until(moment):
    """Sleeps up to a time of the wall clock."""
    time.sleep(max(0, moment - time.time()))
