// Builds Scratch 3 projects of one sprite, with what the tests need: global variables, broadcasts,
// and scripts of blocks.
import JSZip from "@turbowarp/jszip";
import { createHash } from "node:crypto";

const COSTUME = '<svg xmlns="http://www.w3.org/2000/svg" width="2" height="2"/>';
const COSTUME_ID = createHash("md5").update(COSTUME).digest("hex");
/** Kinds of values in a project's JSON. */
const TEXT = 10;
const BROADCAST = 11;
const VARIABLE = 12;

/** A block; an input is a text, a number, a block, a list of blocks (its branch), or one of the below. */
export const block = (opcode, inputs = {}, fields = {}) => ({ opcode, inputs, fields });
/** An input: the value of a global variable. */
export const valueOf = (name) => ({ variable: name });
const broadcastInput = (name) => ({ broadcast: name });

export const whenFlag = () => block("event_whenflagclicked");
export const whenReceived = (name) => block("event_whenbroadcastreceived", {}, { BROADCAST_OPTION: broadcastInput(name) });
export const broadcast = (name) => block("event_broadcast", { BROADCAST_INPUT: broadcastInput(name) });
export const setVariable = (name, value) => block("data_setvariableto", { VALUE: value }, { VARIABLE: valueOf(name) });
export const changeVariable = (name, by) => block("data_changevariableby", { VALUE: by }, { VARIABLE: valueOf(name) });
export const forever = (...blocks) => block("control_forever", { SUBSTACK: blocks });
export const wait = (seconds) => block("control_wait", { DURATION: seconds });

/**
 * A project as its project.json. `variables` has the initial values by name, a cloud variable's
 * begins with "☁ "; each script is a list of blocks, of which the first is its hat; `extensions` has the
 * addresses of custom extensions by id.
 */
export function project({ variables = {}, scripts = [], extensions = {} }) {
  const broadcasts = new Map();
  const blocks = {};
  const known = new Set(Object.keys(variables));

  const broadcastId = (name) => {
    if (!broadcasts.has(name)) broadcasts.set(name, `broadcast ${name}`);
    return broadcasts.get(name);
  };
  const variableId = (name) => {
    if (!known.has(name)) throw new Error(`the project has no variable ${name}`);
    return `variable ${name}`;
  };

  /** Adds a list of blocks, and returns the id of the first. */
  const stack = (list, parent) => {
    let previous;
    const ids = list.map((it) => {
      const id = add(it, previous ?? parent);
      if (previous) blocks[previous].next = id;
      previous = id;
      return id;
    });
    return ids[0];
  };
  const add = ({ opcode, inputs, fields }, parent = null) => {
    const id = `block ${Object.keys(blocks).length}`;
    const made = { opcode, next: null, parent, inputs: {}, fields: {}, shadow: false, topLevel: parent === null };
    if (made.topLevel) Object.assign(made, { x: 0, y: 0 });
    blocks[id] = made;
    for (const [name, value] of Object.entries(inputs)) made.inputs[name] = input(value, id);
    for (const [name, value] of Object.entries(fields)) made.fields[name] = field(value);
    return id;
  };
  const input = (value, parent) => {
    if (Array.isArray(value)) return [2, stack(value, parent)];
    if (typeof value !== "object") return [1, [TEXT, String(value)]];
    if ("variable" in value) return [3, [VARIABLE, value.variable, variableId(value.variable)], [TEXT, ""]];
    if ("broadcast" in value) return [1, [BROADCAST, value.broadcast, broadcastId(value.broadcast)]];
    return [3, add(value, parent), [TEXT, ""]];
  };
  const field = (value) => {
    if (typeof value !== "object") return [String(value), null];
    if ("variable" in value) return [value.variable, variableId(value.variable)];
    return [value.broadcast, broadcastId(value.broadcast)];
  };

  for (const script of scripts) stack(script);
  const costume = { name: "costume", assetId: COSTUME_ID, md5ext: `${COSTUME_ID}.svg`, dataFormat: "svg", rotationCenterX: 1, rotationCenterY: 1 };
  const target = { lists: {}, comments: {}, currentCostume: 0, costumes: [costume], sounds: [], volume: 100 };
  const stageVariables = Object.entries(variables).map(([name, value]) => {
    const isCloud = name.startsWith("☁ ");
    return [variableId(name), isCloud ? [name, value, true] : [name, value]];
  });
  const stage = {
    ...target, isStage: true, name: "Stage", variables: Object.fromEntries(stageVariables), blocks: {},
    broadcasts: Object.fromEntries([...broadcasts].map(([name, id]) => [id, name])),
    layerOrder: 0, tempo: 60, videoTransparency: 50, videoState: "on", textToSpeechLanguage: null,
  };
  const sprite = {
    ...target, isStage: false, name: "Sprite", variables: {}, broadcasts: {}, blocks,
    layerOrder: 1, visible: true, x: 0, y: 0, size: 100, direction: 90, draggable: false, rotationStyle: "all around",
  };
  const ids = Object.keys(extensions);
  return {
    targets: [stage, sprite], monitors: [], extensions: ids,
    ...(ids.length > 0 && { extensionURLs: extensions }),
    meta: { semver: "3.0.0", vm: "0.2.0", agent: "" },
  };
}

/** The project as the bytes of an .sb3 file. */
export function sb3(definition) {
  const zip = new JSZip();
  zip.file("project.json", JSON.stringify(project(definition)));
  zip.file(`${COSTUME_ID}.svg`, COSTUME);
  return zip.generateAsync({ type: "uint8array" });
}
