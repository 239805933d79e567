// The module for Xcratch, which makes the blocks with its VM's runtime.
import { ID, ICON } from "./blocks";
import { MeshBlocks } from "./mesh-blocks";
import { textsOf } from "./texts";

type Formatter = { setup?(): { locale: string } | undefined };

let formatter: Formatter = {};
const texts = () => textsOf(formatter.setup?.()?.locale ?? navigator.language);

/** How the editor shows the extension among others. */
export const entry = {
  get name() {
    return texts().name;
  },
  get description() {
    return texts().description;
  },
  extensionId: ID,
  extensionURL: "",
  iconURL: ICON,
  insetIconURL: ICON,
  featured: true,
  disabled: false,
  bluetoothRequired: false,
  internetConnectionRequired: true,
  setFormatMessage: (it: Formatter) => void (formatter = it),
};

export { MeshBlocks as blockClass };
