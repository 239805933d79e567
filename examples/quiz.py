"""Answers in a buzzer quiz: python3 quiz.py URL KEY CODE NAME. Needs nothing but Python; quiz.mjs asks."""
import json, sys, threading, time, urllib.request, uuid

url, key, code, my_name = sys.argv[1:]
HEADERS = {"content-type": "application/json", "x-api-key": key, "x-mesh-join-code": code}
IDS, AS_ME = "$groupId: ID!, $domain: String!, $nodeId: ID!", "groupId: $groupId, domain: $domain, nodeId: $nodeId"

def post(path, query, variables):
    body = json.dumps({"query": query, "variables": variables}).encode()
    return urllib.request.urlopen(urllib.request.Request(url + path, body, HEADERS))

def call(query, **variables):
    answer = json.load(post("graphql", query, variables))
    if "errors" in answer:
        sys.exit(answer["errors"][0]["message"])
    return next(iter(answer["data"].values()))

group = call("query ($code: String!) { groupByJoinCode(code: $code) { groupId: id domain } }", code=code)
me = {**group, "nodeId": uuid.uuid4().hex}
call(f"mutation ({IDS}, $name: String) {{ joinGroup({AS_ME}, nickname: $name) {{ id }} }}", **me, name=my_name)

def buzz():
    for _ in sys.stdin:
        events = [{"eventName": "buzz", "payload": my_name, "firedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}]
        call(f"mutation ({IDS}, $events: [EventInput!]!) {{ fireEventsByNode({AS_ME}, events: $events) {{ groupId }} }}", **me, events=events)

MESSAGES = "onMessageInGroup(groupId: $groupId, domain: $domain) { batchEvent { events { name payload } } }"
stream = post("graphql/stream", f"subscription ($groupId: ID!, $domain: String!) {{ {MESSAGES} }}", group)
threading.Thread(target=buzz, daemon=True).start()
print("Press Enter to buzz.", flush=True)
is_open = False
for line in stream:  # until the group ends
    message = json.loads(line[6:])["data"]["onMessageInGroup"] if line.startswith(b"data: {") else {}
    for event in (message.get("batchEvent") or {}).get("events", []):
        if event["name"] == "question":
            print("Question:", event["payload"], flush=True)
        elif event["name"] == "buzz" and is_open:
            print(event["payload"], "was first!", flush=True)
        is_open = event["name"] == "question" or (is_open and event["name"] != "buzz")
