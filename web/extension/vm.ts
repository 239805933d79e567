// What an extension outside the sandbox takes from the VM: the values of global variables and the
// broadcasts of this project.
import { VmHats } from "./hats";
import type { Runtime } from "./scratch";

/** How often variables are looked at. */
const LOOK_MS = 100;
const BROADCAST = "event_whenbroadcastreceived";

export interface VmHandlers {
  /** A global variable has this value; it may be the same as before. */
  onValue(name: string, value: string): void;
  onBroadcast(name: string): void;
  /** Another project was loaded. */
  onProject(): void;
}

type Steps = Runtime & { _step?(): void };

export class Vm {
  readonly hats: VmHats;

  constructor(
    readonly runtime: Runtime,
    readonly handlers: VmHandlers,
  ) {
    const { startHats, _step: step } = runtime as Steps;
    this.hats = new VmHats(runtime, startHats);
    // Every broadcast block starts hats, compiled or not.
    runtime.startHats = (opcode, fields, target) => {
      const name = opcode === BROADCAST ? fields?.BROADCAST_OPTION : undefined;
      if (name) handlers.onBroadcast(name);
      return startHats.call(runtime, opcode, fields, target);
    };
    (runtime as Steps)._step = () => {
      this.hats.step();
      step?.call(runtime);
    };
    runtime.on?.("PROJECT_LOADED", () => handlers.onProject());
    setInterval(() => this.look(), LOOK_MS);
  }

  /** Hands over all global variables. Those of the cloud are the cloud server's. */
  look() {
    for (const { name, type, value } of Object.values(this.runtime.getTargetForStage()?.variables ?? {})) {
      if (type === "" && !name.startsWith("☁")) this.handlers.onValue(name, String(value));
    }
  }
}
