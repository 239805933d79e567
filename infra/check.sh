#!/usr/bin/env bash
# The stack's gate: types, tests, every stage's template without credentials, cfn-lint.
#   MESH_BIN   the server's program (default target/release, else target/debug, else built)
set -euo pipefail
# The tests run elsewhere: a relative path means one from here.
if [ -n "${MESH_BIN:-}" ]; then MESH_BIN=$(realpath -- "$MESH_BIN") && export MESH_BIN; fi
cd "$(dirname "${BASH_SOURCE[0]}")"
target=$PWD/../target
tools=$target/aws-tools

say() { printf -- '-- %s (%s s)\n' "$1" "$SECONDS"; }

say "the stack's libraries"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null

say "the AWS CLI and cfn-lint"
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check "cfn-lint==1.58.0" "awscli==1.46.2"
export AWS_CLI=$tools/bin/aws

# Tests ask the program for its table and its settings, and paste the guide's commands to it.
if [ -z "${MESH_BIN:-}" ] && [ ! -x "$target/release/mesh-v2" ] && [ ! -x "$target/debug/mesh-v2" ]; then
  say "the server"
  cargo build --locked --quiet --manifest-path ../Cargo.toml
fi

say "types"
npm run --silent check

say "tests"
npm test --silent

# Without credentials and settings of this machine, and without the function's program.
synth() {
  local to=$target/infra/$1
  shift
  env -i PATH="$PATH" HOME="$HOME" CI=true CDK_DISABLE_CLI_TELEMETRY=true \
    MESH_LAMBDA_FOLDER=placeholder "$@" npx cdk synth --quiet --output "$to" -c "on=$on"
}
on=appsync

say "each stage's template"
rm -rf "$target/infra"
for file in .env.stg .env.stg2 .env.production; do
  synth "$file" "MESH_ENV_FILE=../$file" APPSYNC_CUSTOM_DOMAIN=false
done
synth everything MESH_ENV_FILE=../.env.production AWS_ACCOUNT_ID=123456789012 \
  ROUTE53_PARENT_ZONE_ID=Z0123456789 APPSYNC_IAM=true \
  APPSYNC_USER_POOL_ID=ap-northeast-1_AbCdEfGhI \
  APPSYNC_OIDC_ISSUER=https://sign-in.example APPSYNC_OIDC_CLIENT_IDS=mesh ALARM_EMAIL=ops@example.org \
  APPSYNC_KEYS=1,2 APPSYNC_WAF_RATE=20000 LAMBDA_RESERVED_CONCURRENCY=50 BUDGET_USD=10

on=server
synth server MESH_ENV_FILE=../.env.production SERVER_DOMAIN=mesh.example.org ROUTE53_PARENT_ZONE_NAME=example.org \
  ROUTE53_PARENT_ZONE_ID=Z0123456789 SERVER_NAMED_KEYS_SECRET=mesh/teachers ALARM_EMAIL=ops@example.org

say "cfn-lint"
# W3005: CDK says DependsOn where a reference says it already.
"$tools/bin/cfn-lint" --ignore-checks W3005 -- "$target"/infra/*/*.template.json
say "the stack is in order"
