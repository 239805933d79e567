#!/usr/bin/env python3
"""Makes the data folder of a release, which later versions must open (spec/upgrades.rs).

    python3 spec/upgrades/make.py PROGRAM [FOLDER]

PROGRAM plays a short lesson, is killed, and leaves mesh.journal and mesh.lock in FOLDER (by default
spec/upgrades/VERSION). Beside them, lesson.json has what the server showed, what the group's host and
members could do, and what was refused. Run it once for each release, and keep the folders of former ones.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

KEY = "da2-mesh-development"
DOMAIN = "school"
HOST_TOKEN, NODE_TOKEN = "host-token-of-the-lesson", "node-token-of-the-lesson"


class Server:
    def __init__(self, program, data):
        self.log = open(data / "log", "w+")
        self.process = subprocess.Popen(
            [program, "serve", "--listen", "127.0.0.1:0", "--data", str(data)],
            cwd=data, env={"MESH_LOG": "warn", "MESH_EVENT_TTL_SECONDS": "120"}, stdout=subprocess.PIPE, stderr=self.log, text=True,
        )
        words = (line.split() for line in self.process.stdout)
        self.url = next(line[1] for line in words if line[:1] == ["endpoint"])

    def ask(self, query):
        request = urllib.request.Request(
            self.url, json.dumps({"query": query}).encode(),
            {"content-type": "application/json", "x-api-key": KEY},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def shows(self, query):
        answer = self.ask(query)
        assert "errors" not in answer, (query, answer)
        return answer["data"]


def words(**arguments):
    """The arguments of a field, with the domain of all groups."""
    arguments = {"domain": DOMAIN, **arguments}
    return ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items())


def event(name, order):
    return f'{{eventName: "{name}", payload: "x", orderKey: "{order}", firedAt: "2026-01-01T00:00:00.000Z"}}'


def mutation(field, more="", selection="", **arguments):
    listed = ", ".join(filter(None, [words(**arguments), more]))
    return f"mutation {{ {field}({listed}) {selection} }}"


def lesson(server):
    """Plays the lesson; returns the ids of its groups, and the join code of the second."""
    plain = server.shows(mutation("createGroup", selection="{ id }", name="授業", hostId="teacher", useWebSocket=False))
    plain = plain["createGroup"]["id"]
    for node, pairs in [("kitten", '{key: "temp", value: "21"}, {key: "名前", value: "ミケ🐱"}'), ("bird", '{key: "a", value: "1"}')]:
        server.shows(mutation("joinGroup", selection="{ id }", groupId=plain, nodeId=node, useWebSocket=False))
        server.shows(mutation("reportDataByNode", f"data: [{pairs}]", "{ groupId }", groupId=plain, nodeId=node))
    server.shows(mutation("leaveGroup", selection="{ peerId }", groupId=plain, nodeId="bird"))
    recorded = f"events: [{event('go', '1')}, {event('stop', '2')}]"
    server.shows(mutation("recordEventsByNode", recorded, "{ recordedCount }", groupId=plain, nodeId="kitten"))

    owned = server.shows(mutation("createGroup", selection="{ id joinCode }", name="lesson", hostId="owner", useWebSocket=True, hostToken=HOST_TOKEN))
    owned, code = owned["createGroup"]["id"], owned["createGroup"]["joinCode"]
    by_host = {"groupId": owned, "hostId": "owner", "hostToken": HOST_TOKEN}
    for node in ["pupil", "rascal"]:
        server.shows(mutation("joinGroup", selection="{ id }", groupId=owned, nodeId=node, nodeToken=NODE_TOKEN, nickname=f"{node} ☆"))
    server.shows(mutation("reportDataByNode", 'data: [{key: "score", value: "7"}]', "{ groupId }", groupId=owned, nodeId="pupil", nodeToken=NODE_TOKEN))
    server.shows(mutation("removeNode", nodeId="rascal", **by_host))
    server.shows(mutation("muteChat", "muted: true", "{ id }", **by_host))
    server.shows(mutation("lockGroup", "locked: true", "{ id }", **by_host))

    over = server.shows(mutation("createGroup", selection="{ id }", name="over", hostId="other", useWebSocket=True))
    server.shows(mutation("dissolveGroup", selection="{ groupId }", groupId=over["createGroup"]["id"], hostId="other"))
    return plain, owned, over["createGroup"]["id"], code


def documents(plain, owned, over, code):
    """What is shown, what works and what is refused, with the type of its error."""
    shown = [f'{{ listGroupsByDomain(domain: "{DOMAIN}") {{ id name hostId useWebSocket joinCode locked chatMuted }} }}']
    for group in (plain, owned):
        place = words(groupId=group)
        shown.append(f"{{ listNodesInGroup({place}) {{ id nickname }} }}")
        shown.append(f"{{ listGroupStatuses({place}) {{ nodeId data {{ key value }} }} }}")
        shown.append(f'{{ getEventsSince({place}, since: "") {{ name firedByNodeId payload orderKey }} }}')
    shown.append(f'{{ groupOfHost(hostId: "owner", domain: "{DOMAIN}", hostToken: "{HOST_TOKEN}") {{ id }} }}')
    shown.append(f'{{ groupByJoinCode(code: "{code}") {{ id name }} }}')
    works = [
        mutation("renewHeartbeat", selection="{ groupId }", groupId=plain, hostId="teacher"),
        mutation("renewHeartbeat", selection="{ groupId }", groupId=owned, hostId="owner", hostToken=HOST_TOKEN),
        mutation("sendMemberHeartbeat", selection="{ nodeId }", groupId=plain, nodeId="kitten"),
        mutation("sendMemberHeartbeat", selection="{ nodeId }", groupId=owned, nodeId="pupil", nodeToken=NODE_TOKEN),
    ]
    refused = [
        mutation("renewHeartbeat", selection="{ groupId }", groupId=owned, hostId="owner", hostToken="another token of a host"),
        mutation("joinGroup", selection="{ id }", groupId=owned, nodeId="newcomer"),
        mutation("joinGroup", selection="{ id }", groupId=owned, nodeId="rascal", nodeToken=NODE_TOKEN),
        mutation("joinGroup", selection="{ id }", groupId=over, nodeId="kitten"),
    ]
    return shown, works, refused


def make(program, folder):
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        data = place / "data"
        data.mkdir()
        server = Server(program, data)
        try:
            shown, works, refused = documents(*lesson(server))
            for query in works:
                server.shows(query)
            record = {
                "shown": [{"query": query, "data": server.shows(query)} for query in shown],
                "works": works,
                "refused": [{"query": query, "type": server.ask(query)["errors"][0]["errorType"]} for query in refused],
                # The end of the lesson: the test moves its times from here to now.
                "ended_at": round(time.time() * 1000),
            }
        finally:
            server.process.kill()
            server.process.wait()
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("mesh.journal", "mesh.lock"):
            shutil.copyfile(data / name, folder / name)
        (folder / "lesson.json").write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    program = os.path.abspath(sys.argv[1])
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    make(program, pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(__file__).parent / version)
