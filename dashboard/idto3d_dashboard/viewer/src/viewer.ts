// The viewer as pages use it: heads mounted into an element, all under one camera.
import { element } from "./elements";
import { HeadFigure } from "./figure";
import { type Orbit, orbitFor, rememberPose } from "./orbit";
import { type ViewerSpec, appearanceOf, headName } from "./spec";

export type { HeadSpec, Source, ViewerSpec } from "./spec";

const HEIGHT = 360; // px

export interface MountedHeads {
  /** The camera of all its heads. */
  readonly orbit: Orbit;
  update(spec: ViewerSpec): void;
  dispose(): void;
}

export function mountHeads(parent: Element | ShadowRoot, spec: ViewerSpec): MountedHeads {
  const grid = element("div", "h3d-heads", { role: "group" });
  parent.append(grid);
  let figures: { name: string; figure: HeadFigure }[] = [];
  let shown = spec;
  let orbit: Orbit = orbitFor(spec.group, spec.key);
  const turned = (): void => {
    for (const { figure } of figures) figure.turned();
  };
  let unwatch = orbit.watch(turned);

  function update(next: ViewerSpec): void {
    if (next.group !== shown.group) {
      unwatch();
      orbit = orbitFor(next.group, next.key);
      unwatch = orbit.watch(turned);
    }
    shown = next;
    const height = Math.min(1200, Math.max(120, next.height ?? HEIGHT));
    grid.style.setProperty("--h3d-height", `${height}px`);
    // A head that is still there keeps its figure, and so its picture; the others come and go.
    const spare = [...figures];
    const appearance = appearanceOf(next);
    figures = next.heads.map((head) => {
      const name = headName(head);
      const place = spare.findIndex((one) => one.name === name);
      const kept = place < 0 ? undefined : spare.splice(place, 1)[0];
      kept?.figure.update(head, orbit, appearance);
      return kept ?? { name, figure: new HeadFigure(head, orbit, appearance) };
    });
    for (const { figure } of spare) figure.dispose();
    const order = figures.map(({ figure }) => figure.element);
    // An element that is put in again loses its focus, so only where the order is another.
    if (order.some((child, place) => grid.children[place] !== child)) grid.replaceChildren(...order);
  }

  update(spec);
  return {
    get orbit() {
      return orbit;
    },
    update,
    dispose() {
      rememberPose(shown.key, orbit);
      unwatch();
      for (const { figure } of figures) figure.dispose();
      figures = [];
      grid.remove();
    },
  };
}

const inStreamlit = new WeakMap<Element | ShadowRoot, { mounted: MountedHeads; call: number }>();

/**
 * For a page that calls at every rerun with the same parent: the first call mounts, later ones update.
 *
 * Returns what unmounts; only that of the last call does, for Streamlit ends an overtaken call's after the next began.
 */
export function showHeads(parent: Element | ShadowRoot, spec: ViewerSpec): () => void {
  const known = inStreamlit.get(parent);
  known?.mounted.update(spec);
  const here = known ?? { mounted: mountHeads(parent, spec), call: 0 };
  inStreamlit.set(parent, here);
  const call = ++here.call;
  return () => {
    if (here.call !== call) return;
    inStreamlit.delete(parent);
    here.mounted.dispose();
  };
}
