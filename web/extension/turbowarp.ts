// The script for TurboWarp and editors like it, in its sandbox or outside.
import { MeshBlocks } from "./mesh-blocks";
import type { Scratch } from "./scratch";

const { Scratch } = globalThis as unknown as { Scratch: Scratch };
const runtime = Scratch.extensions.unsandboxed ? Scratch.vm?.runtime : undefined;
Scratch.extensions.register(new MeshBlocks(runtime));
