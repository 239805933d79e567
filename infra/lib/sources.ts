/** Where a setting comes from: the `.env` file wins over the environment (docs/compatibility.md, On AWS). */

import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { parseEnv } from 'node:util';

/** What is wrong with a setting, in a sentence for the one who set it. */
export class BadSetting extends Error {}

export class Sources {
  /** Notes for the operator. */
  readonly notes: string[] = [];
  private readonly unfiled = new Set<string>();
  private readonly file: Record<string, string>;
  readonly fileName: string;

  /** `root` is the project's folder, where `.env` is; MESH_ENV_FILE names another file. */
  constructor(
    private readonly environment: Record<string, string | undefined>,
    root: string,
  ) {
    const other = environment.MESH_ENV_FILE;
    const file = other ? resolve(other) : join(root, '.env');
    const near = relative(root, file);
    this.fileName = near.startsWith('..') || isAbsolute(near) ? file : near;
    if (existsSync(file)) {
      this.file = parseEnv(readFileSync(file, 'utf8')) as Record<string, string>;
    } else if (other) {
      throw new BadSetting(`there is no settings file ${file} (MESH_ENV_FILE)`);
    } else {
      this.file = {};
    }
  }

  /** The setting, or undefined if it is nowhere or empty. Noted if another shell would lose it. */
  get(name: string): string | undefined {
    const value = this.ofThisShell(name);
    if (value !== undefined && this.file[name] === undefined) this.unfiled.add(name);
    return value;
  }

  /** The same for what belongs to one shell or machine. Says so when the file overrules. */
  ofThisShell(name: string): string | undefined {
    const [filed, set] = [this.file[name], this.environment[name]];
    if (filed !== undefined && set && set !== filed) {
      this.overruled(name, filed, `${name}=${set} in the environment`);
    }
    return (filed ?? set) || undefined;
  }

  /** Notes that something else was asked for than the file says. */
  overruled(name: string, filed: string, asked: string, remedy = `change ${this.fileName}`): void {
    this.notes.push(
      `${this.fileName} says ${name}=${filed} and wins: ${asked} is not followed. To change it, ${remedy}.`,
    );
  }

  /** Notes the settings that stand in the environment alone. */
  noteUnfiled(): void {
    if (this.unfiled.size === 0) return;
    const names = [...this.unfiled].join(', ');
    this.notes.push(
      `the environment alone sets ${names}: a deploy from another shell would be without. ` +
        `Write it into ${this.fileName}, unless it is for this command only.`,
    );
  }

  /** A switch. */
  is(name: string, usual = false): boolean {
    const value = this.get(name) ?? String(usual);
    if (value !== 'true' && value !== 'false') {
      throw new BadSetting(`${name} must be true or false, not "${value}"`);
    }
    return value === 'true';
  }

  /** What the file says, whatever the environment says. */
  inFile(name: string): string | undefined {
    return this.file[name] || undefined;
  }

  /** Every name in the file. */
  namesInFile(): string[] {
    return Object.keys(this.file);
  }
}
