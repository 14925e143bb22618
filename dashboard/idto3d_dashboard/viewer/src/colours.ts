// The base colour of a morph target, mixed with the head's own by the target's weight. Targets of glTF move vertices
// alone (3.7.2.2), so the map stands in the material's extras, as `encode_morph_glb` writes it.
import { type GLTF } from "three/addons/loaders/GLTFLoader.js";
import { type Material, type Mesh, MeshStandardMaterial, SRGBColorSpace, type Texture } from "three";

interface TargetColour {
  map: Texture;
  share: { value: number }; // from 0, the head's own, to 1
}

const known = new WeakMap<Material, TargetColour>();

/** Finds the colour of a mesh's first target; one head blends to one expression. */
export async function readTargetColour(mesh: Mesh, parser: GLTF["parser"]): Promise<void> {
  const own = mesh.material;
  if (!(own instanceof MeshStandardMaterial) || !own.map) return;
  const told: unknown = own.userData["targetColours"];
  const index: unknown = Array.isArray(told) ? told[0]?.baseColorTexture?.index : undefined;
  if (typeof index !== "number") return;
  const map = await parser.assignTexture({}, "map", { index }, SRGBColorSpace);
  if (!map) return;
  const colour: TargetColour = { map, share: { value: 0 } };
  known.set(own, colour);
  mixTargetColour(own, own);
  mesh.onBeforeRender = () => (colour.share.value = between(mesh.morphTargetInfluences?.[0] ?? 0));
}

/** Draws a material that has the map of `own` as that one is drawn. */
export function mixTargetColour(material: Material, own: Material): void {
  const colour = known.get(own);
  if (!colour) return;
  material.onBeforeCompile = (shader) => {
    shader.uniforms["targetMap"] = { value: colour.map };
    shader.uniforms["targetShare"] = colour.share;
    shader.fragmentShader = shader.fragmentShader
      .replace("#include <map_pars_fragment>", `$&\nuniform sampler2D targetMap;\nuniform float targetShare;`)
      .replace(
        "#include <map_fragment>",
        "diffuseColor *= mix(texture2D(map, vMapUv), texture2D(targetMap, vMapUv), targetShare);",
      );
  };
}

export function freeTargetColour(own: Material): void {
  const map = known.get(own)?.map;
  known.delete(own);
  map?.dispose();
  if (typeof ImageBitmap !== "undefined" && map?.image instanceof ImageBitmap) map.image.close();
}

function between(weight: number): number {
  return Math.min(1, Math.max(0, weight));
}
