/** The three stages and what everything in them is called (docs/compatibility.md, On AWS). */

export const STAGES = ['stg', 'stg2', 'prod'] as const;
export type Stage = (typeof STAGES)[number];

/** The environment of this name; `production` is understood as the server understands it. */
export function stageOf(name: string): Stage | undefined {
  const asked = name === 'production' ? 'prod' : name;
  return STAGES.find((stage) => stage === asked);
}

/** `base` for prod, `base-stg` for stg. */
export function named(base: string, stage: Stage): string {
  return stage === 'prod' ? base : `${base}-${stage}`;
}

/** The settings file that comes with the project for an environment. */
export function envFileOf(stage: Stage): string {
  return stage === 'prod' ? '.env.production' : `.env.${stage}`;
}
