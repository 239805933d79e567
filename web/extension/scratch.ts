// What the extension uses of Scratch-family editors: their VM, and the object `Scratch` of an
// extension's script.

export interface ScratchVariable {
  name: string;
  /** Empty for a variable with one value. */
  type: string;
  value: unknown;
}

export interface Target {
  variables: Record<string, ScratchVariable>;
}

/** A script that runs. */
export type Thread = object;

export interface Runtime {
  targets: Target[];
  getTargetForStage(): Target | undefined;
  startHats(opcode: string, fields?: Record<string, string>, target?: Target): Thread[] | undefined;
  on?(event: string, handler: () => void): void;
  ioDevices?: { userData?: { getUsername(): string } };
  /** In Xcratch. */
  formatMessage?: { setup(): { locale: string } | undefined };
}

export interface BlockUtility {
  thread?: Thread;
}

export interface Scratch {
  extensions: { register(extension: object): void; unsandboxed?: boolean };
  vm?: { runtime?: Runtime; getLocale?(): string };
  translate?: { language?: string };
}
