/** The built program that the function runs. */

import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { BadSetting } from './sources';

/** Where cargo-lambda leaves it, from the project's folder. */
const BUILT = 'target/lambda/mesh-v2-lambda';
export const BUILD = 'cargo lambda build --profile dist --arm64 --no-default-features --features lambda --bin mesh-v2-lambda';
/** ELF's number for 64-bit ARM. */
const AARCH64 = 0xb7;

/** A folder with a program for Lambda, or none but for looking at the template. */
export type Program = { folder: string; placeholder: boolean };

/**
 * The program in this folder (the usual one if none is given). `placeholder` stands for
 * one that is not built; CloudFormation refuses to deploy a template made with it.
 */
export function program(root: string, asked: string | undefined): Program {
  if (asked === 'placeholder') {
    return { folder: join(root, 'infra/placeholder'), placeholder: true };
  }
  const folder = asked ? resolve(asked) : join(root, BUILT);
  const file = join(folder, 'bootstrap');
  const remedy =
    `Build it in the project's folder:\n\n    ${BUILD}\n\n` +
    'or name the folder of a built one in MESH_LAMBDA_FOLDER. To look at the template ' +
    'without it, set MESH_LAMBDA_FOLDER=placeholder; that cannot be deployed.';
  if (!existsSync(file)) {
    throw new BadSetting(`there is no program for the function: ${file} is missing. ${remedy}`);
  }
  if (!runsOnArm(file)) {
    throw new BadSetting(`${file} is no program for 64-bit ARM on Linux. ${remedy}`);
  }
  return { folder, placeholder: false };
}

function runsOnArm(file: string): boolean {
  const head = Buffer.alloc(20);
  const open = openSync(file, 'r');
  try {
    readSync(open, head, 0, head.length, 0);
  } finally {
    closeSync(open);
  }
  return head.subarray(0, 4).equals(Buffer.from('\x7fELF', 'latin1')) && head.readUInt16LE(18) === AARCH64;
}
