// The looks: with which materials, in which order, a mesh is drawn.
import {
  type Color,
  type Material,
  Mesh,
  MeshBasicMaterial,
  MeshNormalMaterial,
  MeshStandardMaterial,
} from "three";
import { mixTargetColour } from "./colours";
import type { Look } from "./spec";

const CLAY = 0xbfb4aa;

type Pass = (own: Material) => Material;

const clay: Pass = (own) =>
  new MeshStandardMaterial({ color: CLAY, roughness: 0.72, side: own.side, flatShading: isFlat(own) });

/** Behind the lines, so that only edges that face the reader are seen. */
const underLines: Pass = (own) => {
  const material = clay(own);
  material.polygonOffset = true;
  material.polygonOffsetFactor = 1;
  material.polygonOffsetUnits = 1;
  return material;
};

const lines: Pass = () =>
  new MeshBasicMaterial({ wireframe: true, color: 0x10233a, transparent: true, opacity: 0.35, toneMapped: false });

const normals: Pass = (own) => new MeshNormalMaterial({ side: own.side, flatShading: isFlat(own) });

/** The colours as they are stored: no light, no tone mapping. */
const albedo: Pass = (own) => {
  const lit = own instanceof MeshStandardMaterial || own instanceof MeshBasicMaterial ? own : undefined;
  const material = new MeshBasicMaterial({
    color: lit?.color ?? 0xffffff,
    map: lit?.map ?? null,
    vertexColors: own.vertexColors,
    side: own.side,
    toneMapped: false,
  });
  mixTargetColour(material, own);
  return material;
};

export const PASSES: Record<Look, readonly Pass[]> = {
  colour: [(own) => own],
  clay: [clay],
  normals: [normals],
  wireframe: [underLines, lines],
  albedo: [albedo],
};

const made = new WeakMap<Mesh, { own: Material; passes: Partial<Record<Look, Material[]>> }>();

/** Give the mesh the material of a pass. */
export function dress(mesh: Mesh, look: Look, pass: number, ink: Color): void {
  const own = [mesh.material].flat()[0];
  if (!own) return;
  const known = made.get(mesh) ?? { own, passes: {} };
  made.set(mesh, known);
  const materials = (known.passes[look] ??= PASSES[look].map((make) => make(known.own)));
  const chosen = materials[pass];
  if (!chosen) return;
  if (chosen instanceof MeshBasicMaterial && chosen.wireframe) chosen.color.copy(ink);
  mesh.material = chosen;
}

/** Free what was made for a mesh, and give it its own material back. */
export function forgetMaterials(mesh: Mesh): void {
  const known = made.get(mesh);
  if (!known) return;
  for (const material of Object.values(known.passes).flat()) if (material !== known.own) material.dispose();
  mesh.material = known.own;
  made.delete(mesh);
}

function isFlat(own: Material): boolean {
  return own instanceof MeshStandardMaterial && own.flatShading;
}

