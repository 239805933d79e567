// What the blocks do.
import { ID, describe } from "./blocks";
import { type Arrived, AskedHats } from "./hats";
import { Membership } from "./membership";
import type { BlockUtility, Runtime, Scratch } from "./scratch";
import { serverOfScript } from "./server";
import { PAYLOAD_CHARACTERS, SharedValues, isName } from "./shared";
import { type Texts, textsOf } from "./texts";
import { Vm } from "./vm";

/** Names that a list of them has. */
const NAMES_MAX = 200;
/** Broadcasts of this project that wait to be sent. */
const BROADCASTS_MAX = 100;
const OWN_SERVER = serverOfScript();
const SCRATCH = (globalThis as { Scratch?: Scratch }).Scratch;

/** The blocks of one project. With the VM's runtime, variables and broadcasts are shared by themselves. */
export class MeshBlocks {
  static readonly EXTENSION_ID = ID;
  /** Where the editor loaded this from, which Xcratch sets and keeps in projects. */
  static extensionURL?: string;

  #vm?: Vm;
  #asked?: AskedHats;
  #last?: Arrived;
  #shared = new SharedValues();
  #broadcasts = new Set<string>();
  #membership = new Membership(OWN_SERVER, {
    onJoined: () => {
      this.#shared.clear();
      this.#vm?.look();
    },
    onEvent: (event) => (this.#vm ? this.#vm.hats : this.#asked)?.add(event),
  });

  constructor(readonly runtime?: Runtime) {
    if (!runtime) this.#asked = new AskedHats((event) => (this.#last = event));
    else {
      this.#vm = new Vm(runtime, {
        onValue: (name, value) => this.#share(name, value),
        onBroadcast: (name) => this.#carry(name),
        onProject: () => void this.#membership.leave(),
      });
    }
  }

  getInfo() {
    const { extensionURL } = MeshBlocks;
    return { ...describe(this.#texts, Boolean(this.#vm)), ...(extensionURL && { extensionURL }) };
  }

  join = ({ CODE, NAME }: { CODE: unknown; NAME: unknown }) => this.#membership.join(String(CODE), String(NAME));
  leave = () => this.#membership.leave();
  isConnected = () => this.#membership.isConnected;
  status = () => this.#texts.states[this.#membership.state];
  ping = () => this.#membership.ping();
  myName = () => this.#membership.nickname;
  memberCount = () => this.#membership.members().length;
  members = () => this.#membership.members().join(", ");

  valueOf = (args?: { NAME: unknown }) => this.#membership.session?.value(String(args?.NAME)) ?? "";
  valueNames = () => [...(this.#membership.session?.values.keys() ?? [])].slice(0, NAMES_MAX).join(", ");
  share = ({ NAME, VALUE }: { NAME: unknown; VALUE: unknown }) => this.#share(String(NAME), String(VALUE));

  /** Sends an event after the values that were set before. */
  async send({ EVENT, PAYLOAD }: { EVENT: unknown; PAYLOAD: unknown }) {
    const [name, payload] = [String(EVENT), String(PAYLOAD)];
    if (isName(name) && payload.length <= PAYLOAD_CHARACTERS) await this.#fire(name, payload);
  }

  /** Asked by editors that keep the script in a sandbox; others start the hat. */
  whenEvent = ({ EVENT }: { EVENT: unknown }) => this.#asked?.isUp(String(EVENT)) ?? false;

  lastEvent = (_: object, util?: BlockUtility) => this.#eventOf(util)?.name ?? "";
  lastPayload = (_: object, util?: BlockUtility) => this.#eventOf(util)?.payload ?? "";
  lastSender = (_: object, util?: BlockUtility) => this.#eventOf(util)?.sender ?? "";

  get #texts(): Texts {
    const xcratch = this.runtime?.formatMessage?.setup()?.locale;
    return textsOf(xcratch ?? SCRATCH?.translate?.language ?? SCRATCH?.vm?.getLocale?.() ?? globalThis.navigator?.language ?? "en");
  }

  /** The event that started the script, or one before it did. */
  #eventOf(util: BlockUtility | undefined) {
    return this.#vm?.hats.of(util?.thread) ?? this.#last;
  }

  #share(name: string, value: string) {
    const { session } = this.#membership;
    if (session && !session.ending && this.#shared.takes(name, value)) session.set(name, value);
  }

  /** One broadcast of a name waits at a time, as in the Smalruby editor. */
  #carry(name: string) {
    if (!isName(name) || this.#broadcasts.has(name) || this.#broadcasts.size >= BROADCASTS_MAX) return;
    this.#broadcasts.add(name);
    void this.#fire(name, "").finally(() => this.#broadcasts.delete(name));
  }

  async #fire(name: string, payload: string) {
    this.#vm?.look();
    await this.#membership.session?.fire(name, payload).catch(() => {}); // a pause, or no network
  }
}
