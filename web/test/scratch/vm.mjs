// Plays Scratch projects in Scratch's own VM, without a screen, with an extension's module as Xcratch
// loads it.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import VirtualMachine from "scratch-vm";
import { sb3 } from "./project.mjs";

const WAIT_MS = 20_000;
const LOOK_MS = 25;

/** Runs the project in a VM of its own. */
export async function playHeadless(definition, { extension, locale = "en" }) {
  const vm = new VirtualMachine();
  vm.runtime.formatMessage = { setup: () => ({ locale }) };
  const { entry, blockClass } = await load(extension);
  blockClass.extensionURL = extension;
  const blocks = new blockClass(vm.runtime);
  const info = blocks.getInfo();
  assert.equal(info.id, entry.extensionId);
  const service = vm.extensionManager._registerInternalExtension(blocks);
  vm.extensionManager._loadedExtensions.set(info.id, service);
  vm.start();
  await vm.loadProject(Buffer.from(await sb3(definition)));
  vm.greenFlag();
  return new HeadlessPlayer(vm, info, entry);
}

/** Node imports no modules of other hosts. */
async function load(url) {
  const response = await fetch(url);
  assert.equal(response.status, 200, url);
  const folder = mkdtempSync(join(tmpdir(), "mesh-v2-extension-"));
  try {
    const file = join(folder, "extension.mjs");
    writeFileSync(file, await response.text());
    return await import(pathToFileURL(file).href);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

class HeadlessPlayer {
  constructor(vm, info, entry) {
    Object.assign(this, { vm, info, entry });
  }

  #find(name) {
    const { variables } = this.vm.runtime.getTargetForStage();
    return Object.values(variables).find((it) => it.name === name);
  }

  variable = (name) => this.#find(name)?.value;
  set = (name, value) => void (this.#find(name).value = value);
  broadcasts = (name) => this.vm.runtime.startHats("event_whenbroadcastreceived", { BROADCAST_OPTION: name });

  /** Waits until a global variable has this value. */
  async shows(name, value, ms = WAIT_MS) {
    const deadline = Date.now() + ms;
    while (String(this.variable(name)) !== String(value)) {
      assert.ok(Date.now() < deadline, `${name} is ${JSON.stringify(this.variable(name))}, not ${JSON.stringify(value)}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  close() {
    this.vm.quit?.();
  }
}
