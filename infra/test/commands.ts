/** The commands of a guide: what stands in its fences, and what each of them is. */

import { spawnSync } from 'node:child_process';

/** A fenced block. */
export interface Fence {
  language: string;
  text: string;
}

export function fences(markdown: string): Fence[] {
  return [...markdown.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, text]) => ({
    language: language!,
    text: text!,
  }));
}

/** The commands of a shell block: lines are taken together until the shell calls them whole. */
export function commands(block: string): string[] {
  const found: string[] = [];
  let open = '';
  for (const line of block.split('\n').slice(0, -1)) {
    open += `${line}\n`;
    if (!line.endsWith('\\') && isWhole(open)) {
      found.push(open.trimEnd());
      open = '';
    }
  }
  if (open) throw new Error(`this is no whole command:\n${open}`);
  return found;
}

function isWhole(text: string): boolean {
  const read = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' });
  return read.status === 0 && !/here-document/.test(read.stderr);
}

/**
 * here: it runs, as it stands.
 * asks AWS: the AWS CLI runs it against a recorder, which proves its form.
 * needs AWS: it cannot run here.
 * runs elsewhere: the gate runs it in another place, which is named.
 */
export type Kind = 'here' | 'asks AWS' | 'needs AWS' | { elsewhere: string };

const KINDS: [RegExp, Kind][] = [
  [/^export [A-Z_]+=\S+$/, 'here'],
  [/^ln -sf \.env\.stg \.env\b/, 'here'],
  [/^cd infra$/, 'here'],
  [/^((MESH|APPSYNC)_\w+=\S+ )?npx cdk synth --quiet$/, 'here'],
  [/^(STAGE=stg STACK=\S+ FUNCTION|SERVER)=\S+$/, 'here'],
  [/^output\(\) \{/, 'here'],
  [/^(ENDPOINT|API_KEY)=\$\(output /, 'here'],
  [/^echo /, 'here'],
  [/^output (CustomDomainUrl|GraphQLApiKeyEnd)$/, 'here'],
  [/^ask(\(\)| ')/, 'here'],
  [/^mesh-v2 table show --stage /, 'here'],
  [/^aws /, 'asks AWS'],
  [/^npx cdk deploy --all --parameters MeshV2Stack-stg:Kept(Domain=none|Keys=1,2)$/, 'needs AWS'],
  [/^npx cdk (bootstrap|diff|(deploy|destroy) --all)( -c on=server)?$/, 'needs AWS'],
  [/^curl -4 -sS "\$ENDPOINT" /, 'here'],
  [/^curl -4 -sS https:\/\/stg\.graphql\.api\.smalruby\.app\//, 'needs AWS'],
  [/^curl -sS https:\/\/mesh\.school\.example\//, 'needs AWS'],
  [/^rustup target add aarch64-unknown-linux-gnu$/, { elsewhere: 'it fetches a toolchain' }],
  [/^python3 -m pip install /, { elsewhere: 'it fetches a toolchain' }],
  [/^cargo lambda build --profile dist --arm64 --no-default-features --features lambda --bin mesh-v2-lambda$/, { elsewhere: 'lib/program.ts asks for this very command' }],
  [/^dig \+short /, 'needs AWS'],
  [/^npm ci$/, { elsewhere: 'check.sh' }],
  [/^MESH_SPEC_STORE=appsync .* cargo test --test spec$/s, { elsewhere: '.ci/run, against its own stages' }],
];

/** What a command is; an unknown one is an error. */
export function kindOf(command: string): Kind {
  const known = KINDS.filter(([form]) => form.test(command));
  if (known.length !== 1) {
    throw new Error(`${known.length} kinds in test/commands.ts fit this command of the guide:\n${command}`);
  }
  return known[0]![1];
}
