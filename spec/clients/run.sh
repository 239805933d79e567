#!/usr/bin/env bash
# Installs the clients as their lock files say and runs them all against the
# server of MESH_BIN (or the built one), and its pages in Chromium. The lesson and the scripted
# editors, which mostly wait, go on beside the others.
#   MESH_BIN         the server (default target/release, else target/debug)
#   MESH_URL, MESH_API_KEY   a running server instead
#   LESSON_SECONDS   how long the lesson goes on (60)
#   CHROMIUM         the browser (/usr/bin/chromium)
#   RUBY             a Ruby with faye-websocket (/usr/bin/ruby, with Debian's package)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
web=$here/../../web
chromium=${CHROMIUM:-/usr/bin/chromium}
lesson=${LESSON_SECONDS:-60}
# The tests run elsewhere: a relative path means one from here.
if [ -n "${MESH_BIN:-}" ]; then MESH_BIN=$(realpath -- "$MESH_BIN") && export MESH_BIN; fi

scratch=$(mktemp -d)
export TMPDIR=$scratch # whatever is ended early leaves nothing behind
current=
lesson_job=
editors_job=
finish() {
  local job
  for job in $current $lesson_job $editors_job; do
    kill "$job" 2>/dev/null || true
    wait "$job" 2>/dev/null || true
  done
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

suites=0
failed=()

# begin LOG SECONDS FOLDER COMMAND…: in the background, as $current.
begin() {
  local log=$1 limit=$2 folder=$3
  shift 3
  # timeout also ends what the command started.
  (cd "$folder" && exec timeout --kill-after=10 "$limit" "$@") >"$log" 2>&1 </dev/null &
  current=$!
}

# result NAME SECONDS LOG BEGAN JOB: one line when it passes, the log's end when not.
result() {
  local name=$1 limit=$2 log=$3 began=$4 code=0
  suites=$((suites + 1))
  wait "$5" || code=$?
  if [ "$code" -eq 0 ]; then
    echo "ok      $name ($((SECONDS - began)) s)"
    return
  fi
  failed+=("$name")
  if [ "$code" -eq 124 ] || [ "$code" -eq 137 ]; then echo "FAILED  $name: not done after $limit s"; else echo "FAILED  $name"; fi
  tail -n 80 "$log" | cut -c1-400 | sed 's/^/    /'
  return 1
}

# run NAME SECONDS FOLDER COMMAND…
run() {
  local name=$1 limit=$2 began=$SECONDS code=0
  shift
  begin "$scratch/log" "$@"
  result "$name" "$limit" "$scratch/log" "$began" "$current" || code=1
  current=
  return "$code"
}

npm_ci=(npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
test=(node --test --test-force-exit --test-reporter=spec)

# One workspace: one install brings all clients of npm.
run "install the clients of npm" 300 "$here" "${npm_ci[@]}" || true

began_lesson=$SECONDS
begin "$scratch/lesson" $((lesson + 50)) "$here/aws-appsync" "${test[@]}" lesson.test.mjs
lesson_job=$current
current=

began_editors=$SECONDS
begin "$scratch/editors" 120 "$here/smalruby" "${test[@]}"
editors_job=$current
current=

export GQL_VENV=${GQL_VENV:-$here/../../target/gql}
environment() {
  python3 -m venv "$GQL_VENV" && "$GQL_VENV/bin/pip" install --quiet --disable-pip-version-check --no-deps -r gql/requirements.txt
}
export -f environment
run "install gql for Python" 200 "$here" bash -c environment || true

for client in aws-appsync aws-amplify apollo-link-3 apollo-link-4 graphql-ws graphql-sse subscriptions-transport-ws gql faye-websocket; do
  run "$client" 90 "$here/$client" "${test[@]}" client.test.mjs || true
done
run "audits of GraphQL over HTTP" 90 "$here/graphql-http" "${test[@]}" client.test.mjs || true

if [ -x "$chromium" ]; then
  if run "install what builds the pages" 110 "$web" "${npm_ci[@]}"; then
    run "pages are typed" 60 "$web" npm run --silent check || true
    run "the client is typed and small" 60 "$here/../../clients/js" node build.mjs || true
    run "the client in Node" 90 "$here/mesh-v2-client" "${test[@]}" || true
    run "pages are those of their sources" 60 "$web" npm run --silent same || true
    run "pages and projects in Chromium" 300 "$web" env "CHROMIUM=$chromium" npm run --silent test || true
  fi
else
  suites=$((suites + 1))
  failed+=("pages and projects in Chromium")
  echo "FAILED  pages and projects in Chromium: no Chromium at $chromium; install it, or set CHROMIUM"
fi

result "smalruby" 120 "$scratch/editors" "$began_editors" "$editors_job" || true
editors_job=
result "lesson of $lesson s" $((lesson + 50)) "$scratch/lesson" "$began_lesson" "$lesson_job" || true
lesson_job=

if [ "${#failed[@]}" -gt 0 ]; then
  summary=$(printf '%s, ' "${failed[@]}")
  echo "clients: ${#failed[@]} of $suites steps FAILED in $SECONDS s: ${summary%, }"
  exit 1
fi
echo "clients: all $suites steps passed in $SECONDS s"
