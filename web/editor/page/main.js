// The Scratch editor with the blocks of Mesh v2. `?code=` joins a lesson of this server by itself, `?name=` under
// this nickname.
const { EditorState, createStandaloneRoot, setAppElement } = globalThis.GUI;
const asked = new URLSearchParams(location.search);

const app = document.getElementById("editor");
setAppElement(app);
createStandaloneRoot(new EditorState({}), app).render({
  projectId: "0", // the default project
  basePath: "/",
  canEditTitle: true,
  canSave: false,
  onVmInit: (vm) => addBlocks(vm).catch((error) => console.error("no blocks of Mesh v2:", error)),
});

/** Adds the blocks as the editor adds those that it has itself. */
async function addBlocks(vm) {
  globalThis.vm = vm; // for teachers who look into a project, and for the test
  const { blockClass: Blocks } = await import("/extension/mesh.mjs");
  const { extensionManager, runtime } = vm;
  const blocks = new Blocks(runtime);
  extensionManager._loadedExtensions.set(blocks.getInfo().id, extensionManager._registerInternalExtension(blocks));
  const code = asked.get("code") ?? "";
  // The block also takes the link of another server's lesson: an address must not lead there unseen.
  if (!code || /[:/]/.test(code)) return;
  const join = () => blocks.join({ CODE: code, NAME: asked.get("name") ?? "" });
  // With each project that is opened, the blocks begin anew.
  runtime.on("PROJECT_LOADED", join);
  await join();
}
