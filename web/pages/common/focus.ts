/** As a `ref`: the element has the focus as soon as it is there. */
export const focused = (element: HTMLElement | null) => element?.focus();
