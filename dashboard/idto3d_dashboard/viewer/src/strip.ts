// A head's stored views by rising yaw, stepped through where the browser has no WebGL.
import { element } from "./elements";
import { imageAddress } from "./sources";
import type { HeadSpec } from "./spec";

const DRAG = 28; // px from one view to the next

/** Fills `frame`; returns what frees it. */
export function showStrip(frame: HTMLElement, head: HeadSpec): () => void {
  const views = head.strip ?? [];
  const off = new AbortController();
  const packed: string[] = [];
  const image = element("img", "h3d-view", { alt: head.name, draggable: "false" });
  const slider = element("input", "h3d-turn", {
    type: "range",
    min: "0",
    max: String(views.length - 1),
    step: "1",
    "aria-label": `Turn ${head.name}`,
  });
  const addresses = views.map((source) =>
    imageAddress(source).then((address) => {
      if (typeof source !== "string") packed.push(address);
      return address;
    }),
  );
  const step = (place: number): void => {
    const within = Math.min(views.length - 1, Math.max(0, place));
    slider.value = String(within);
    slider.setAttribute("aria-valuetext", `view ${within + 1} of ${views.length}`);
    addresses[within]?.then(
      (address) => {
        if (slider.value === String(within)) image.src = address;
      },
      () => image.removeAttribute("src"),
    );
  };
  slider.addEventListener("input", () => step(Number(slider.value)), { signal: off.signal });

  let from: { x: number; place: number } | undefined;
  image.addEventListener("pointerdown", (event) => {
    from = { x: event.clientX, place: Number(slider.value) };
    image.setPointerCapture(event.pointerId);
  }, { signal: off.signal });
  image.addEventListener("pointermove", (event) => {
    if (from) step(from.place + Math.round((event.clientX - from.x) / DRAG));
  }, { signal: off.signal });
  for (const end of ["pointerup", "pointercancel"] as const)
    image.addEventListener(end, () => (from = undefined), { signal: off.signal });

  frame.replaceChildren(image, slider);
  step(Math.floor((views.length - 1) / 2)); // the middle of the yaws is the front
  return () => {
    off.abort();
    for (const address of packed) URL.revokeObjectURL(address);
  };
}
