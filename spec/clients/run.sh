#!/usr/bin/env bash
# Installs the clients as their lock files say and runs them all against the
# server of MESH_BIN (or the built one), and its page in Chromium.
#   MESH_BIN         the server (default target/release, else target/debug)
#   MESH_URL, MESH_API_KEY   a running stage instead
#   LESSON_SECONDS   how long the lesson goes on (60)
#   CHROMIUM         the browser (/usr/bin/chromium)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
page=$here/../../web/graphiql
chromium=${CHROMIUM:-/usr/bin/chromium}
lesson=${LESSON_SECONDS:-60}
# The tests run elsewhere: a relative path means one from here.
if [ -n "${MESH_BIN:-}" ]; then MESH_BIN=$(realpath -- "$MESH_BIN") && export MESH_BIN; fi

scratch=$(mktemp -d)
export TMPDIR=$scratch # whatever is ended early leaves nothing behind
current=
finish() {
  if [ -n "$current" ]; then
    kill "$current" 2>/dev/null || true
    wait "$current" 2>/dev/null || true
  fi
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

suites=0
failed=()

# run NAME SECONDS FOLDER COMMAND…: one line when it passes, the log's end when not.
run() {
  local name=$1 limit=$2 folder=$3 log=$scratch/log code=0 began=$SECONDS
  shift 3
  suites=$((suites + 1))
  # timeout also ends what the command started.
  (cd "$folder" && exec timeout --kill-after=10 "$limit" "$@") >"$log" 2>&1 </dev/null &
  current=$!
  wait "$current" || code=$?
  current=
  if [ "$code" -eq 0 ]; then
    echo "ok      $name ($((SECONDS - began)) s)"
    return
  fi
  failed+=("$name")
  if [ "$code" -eq 124 ] || [ "$code" -eq 137 ]; then echo "FAILED  $name: not done after $limit s"; else echo "FAILED  $name"; fi
  tail -n 80 "$log" | cut -c1-400 | sed 's/^/    /'
  return 1
}

install() { run "install $1" 110 "$2" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; }
test=(node --test --test-force-exit --test-reporter=spec)

for client in aws-appsync aws-amplify graphql-ws subscriptions-transport-ws; do
  install "$client" "$here/$client" || continue
  run "$client" 90 "$here/$client" "${test[@]}" client.test.mjs || true
  if [ "$client" = aws-appsync ]; then
    run "lesson of $lesson s" $((lesson + 50)) "$here/$client" "${test[@]}" lesson.test.mjs || true
  fi
done

if [ -x "$chromium" ]; then
  if install graphiql "$page"; then
    run "page in Chromium" 100 "$page" env "CHROMIUM=$chromium" \
      node "$here/common/with-stage.mjs" "${test[@]}" browser.test.mjs || true
  fi
else
  suites=$((suites + 1))
  failed+=("page in Chromium")
  echo "FAILED  page in Chromium: no Chromium at $chromium; install it, or set CHROMIUM"
fi

if [ "${#failed[@]}" -gt 0 ]; then
  summary=$(printf '%s, ' "${failed[@]}")
  echo "clients: ${#failed[@]} of $suites steps FAILED in $SECONDS s: ${summary%, }"
  exit 1
fi
echo "clients: all $suites steps passed in $SECONDS s"
