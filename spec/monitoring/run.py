#!/usr/bin/env python3
"""A Prometheus watches a server while a class plays: every query of the dashboard returns data, and
no rule fails. Usage: run.py MESH_BIN [FOLDER with prometheus and promtool]"""

import json
import math
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "deploy/monitoring"
# Seconds that anything may take on a busy machine.
TIMEOUT = 60
# What the lesson takes. Rates need some scrapes, which come once a second.
LESSON = 5


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, headers=None):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=10) as answer:
        return answer.read().decode()


def awaits(what, found):
    until = time.monotonic() + TIMEOUT
    while time.monotonic() < until:
        try:
            if found():
                return
        except OSError:
            pass
        time.sleep(0.2)
    sys.exit(f"{what}: not within {TIMEOUT} s")


def queries():
    """Every query of the dashboard, with its panel's title."""
    dashboard = json.loads((FOLDER / "grafana.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids)), "each panel has an id of its own"
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for target in panel.get("targets", []):
            query = target["expr"].replace("$__rate_interval", "10s").replace("$instance", ".*")
            assert "$" not in query, query
            yield panel["title"], query


def has_data(prometheus, query):
    url = f"{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    answer = json.loads(get(url))
    assert answer["status"] == "success", answer
    return any(math.isfinite(float(row["value"][1])) for row in answer["data"]["result"])


def check_rules(promtool):
    for check in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"],
                  ["check", "config", "prometheus.yml"]):
        subprocess.run([promtool, *check], cwd=FOLDER, check=True, stdout=subprocess.DEVNULL)


def config(folder, port):
    """The configuration that operators get, for this run's port and with a scrape a second."""
    text = (FOLDER / "prometheus.yml").read_text()
    text = text.replace("127.0.0.1:9464", f"127.0.0.1:{port}").replace("15s", "1s")
    text = text.replace("[alerts.yml]", json.dumps([str(FOLDER / "alerts.yml")]))
    path = folder / "prometheus.yml"
    path.write_text(text)
    return path


def lesson(mesh, endpoint, folder):
    """A class on WebSockets with some that poll, and a call that is refused."""
    played = subprocess.run(
        [mesh, "bench", "--endpoint", endpoint, "--groups", "2", "--subscribers", "6", "--pollers", "2",
         "--rate", "10", "--seconds", str(LESSON), "--warm-up", "1"],
        cwd=folder, capture_output=True, text=True, timeout=TIMEOUT * 2)
    assert played.returncode == 0, played.stdout + played.stderr


def main():
    mesh = os.path.abspath(sys.argv[1])
    tools = pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else pathlib.Path("/usr/bin")
    check_rules(tools / "promtool")
    ports = [free_port() for _ in range(3)]
    endpoint, scraped, prometheus = (f"http://127.0.0.1:{port}" for port in ports)
    running = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        try:
            running.append(subprocess.Popen(
                [mesh, "serve", "--listen", f"127.0.0.1:{ports[0]}", "--rate-limits", "off",
                 "--metrics-listen", f"127.0.0.1:{ports[1]}"], **quiet))
            awaits("the server", lambda: get(f"{scraped}/metrics"))
            text = get(f"{scraped}/metrics")
            subprocess.run([tools / "promtool", "check", "metrics"], input=prometheus_text(text),
                           text=True, check=True)
            running.append(subprocess.Popen(
                [tools / "prometheus", f"--config.file={config(folder, ports[1])}",
                 f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{ports[2]}"], **quiet))
            awaits("Prometheus", lambda: has_data(prometheus, "up == 1"))
            lesson(mesh, f"{endpoint}/graphql", folder)
            missing = list(queries())

            def all_have_data():
                missing[:] = [(title, query) for title, query in missing
                              if not has_data(prometheus, query)]
                return not missing
            checked = len(missing)
            try:
                awaits("data", all_have_data)
            except SystemExit:
                sys.exit("no data:\n" + "\n".join(f"{title}: {query}" for title, query in missing))
            rules = json.loads(get(f"{prometheus}/api/v1/rules"))["data"]["groups"][0]["rules"]
            for rule in rules:
                assert rule["health"] == "ok" and rule["state"] == "inactive", rule
            print(f"{checked} queries of the dashboard return data; {len(rules)} rules are quiet")
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(timeout=TIMEOUT)


def prometheus_text(text):
    """promtool reads the older text format, where a family has the name of its samples."""
    suffixes = {"counter": "_total", "info": "_info"}
    types = {line.split()[2]: line.split()[3] for line in text.splitlines() if line.startswith("# TYPE")}
    lines = []
    for line in text.splitlines():
        words = line.split(" ", 3)
        if line == "# EOF":
            continue
        if line.startswith("#"):
            kind = types[words[2]]
            words[2] += suffixes.get(kind, "")
            if words[1] == "TYPE" and kind == "info":
                words[3] = "gauge"
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
