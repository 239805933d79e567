"""Answers in a buzzer quiz: python3 quiz.py URL KEY CODE NAME. Needs nothing but Python; quiz.mjs asks.
Left out: it does not come back when the network breaks or the server restarts, and sends no buzz again."""
import json, sys, threading, time, urllib.request, uuid

url, key, code, my_name = sys.argv[1:]
HEADERS = {"content-type": "application/json", "x-api-key": key, "x-mesh-join-code": code}
IDS, AS_ME = "$groupId: ID!, $domain: String!, $nodeId: ID!", "groupId: $groupId, domain: $domain, nodeId: $nodeId"
FIRE = f"mutation ({IDS}, $events: [EventInput!]!) {{ fireEventsByNode({AS_ME}, events: $events) {{ groupId }} }}"
MESSAGES = "onMessageInGroup(groupId: $groupId, domain: $domain) { batchEvent { events { name payload } } }"

def post(path, query, variables):
    body = json.dumps({"query": query, "variables": variables}).encode()
    return urllib.request.urlopen(urllib.request.Request(f"{url.rstrip('/')}/{path}", body, HEADERS))

def call(query, **variables):
    answer = json.load(post("graphql", query, variables))
    for error in answer.get("errors", []):
        print(error["message"], file=sys.stderr)
    return next(iter((answer["data"] or {"": None}).values()))

group = call("query ($code: String!) { groupByJoinCode(code: $code) { groupId: id domain } }", code=code)
me = {**(group or sys.exit("No group has this code")), "nodeId": uuid.uuid4().hex}
JOIN = f"mutation ({IDS}, $name: String) {{ joinGroup({AS_ME}, nickname: $name) {{ heartbeatIntervalSeconds }} }}"
member = call(JOIN, **me, name=my_name) or sys.exit(1)

def beat():
    while time.sleep(member["heartbeatIntervalSeconds"]) is None:  # without it, a member is removed after a minute
        call(f"mutation ({IDS}) {{ sendMemberHeartbeat({AS_ME}) {{ nodeId }} }}", **me)

def buzz():
    for _ in sys.stdin:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        call(FIRE, **me, events=[{"eventName": "buzz", "payload": my_name, "firedAt": now, "orderKey": str(time.time_ns())}])

stream = post("graphql/stream", f"subscription ($groupId: ID!, $domain: String!) {{ {MESSAGES} }}", group)
for task in beat, buzz:
    threading.Thread(target=task, daemon=True).start()
print("Press Enter to buzz.", flush=True)
is_open = False
for line in stream:  # until the group ends
    data = json.loads(line[6:]).get("data") if line.startswith(b"data: {") else None
    message = (data or {}).get("onMessageInGroup") or {}
    for event in (message.get("batchEvent") or {}).get("events", []):
        if event["name"] == "question":
            print("Question:", event["payload"], flush=True)
        elif event["name"] == "buzz" and is_open:
            print(event["payload"], "was first!", flush=True)
        is_open = event["name"] == "question" or (is_open and event["name"] != "buzz")
