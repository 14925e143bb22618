// A GLB turned into meshes: nothing in it may name an address, and nothing that it makes the loader ask for is sent.
import { type Group, LoadingManager, Mesh, MeshStandardMaterial, type Object3D } from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { readTargetColour } from "./colours";

const MAGIC = 0x46546c67; // "glTF"
const JSON_CHUNK = 0x4e4f534a;

export async function parseGlb(bytes: Uint8Array<ArrayBuffer>): Promise<Group> {
  refuseReferences(documentOf(bytes));
  const { scene, parser } = await new GLTFLoader(closedManager()).parseAsync(bytes.buffer, "");
  const meshes = meshesOf(scene);
  if (meshes.length === 0) throw new Error("it holds no surface");
  for (const mesh of meshes) {
    mesh.frustumCulled = false; // morph targets reach beyond the bounds of the neutral
    plainWhereNothingIsSaid(mesh.material);
    await readTargetColour(mesh, parser);
  }
  return scene;
}

/** Lets through only what the loader itself made of the file's own bytes: images, as blob: URLs. */
export function closedManager(): LoadingManager {
  const manager = new LoadingManager();
  manager.setURLModifier((url) => {
    if (!url.startsWith("blob:")) throw new Error("it refers to something outside itself");
    return url;
  });
  return manager;
}

/** Vertex colours without a material would be metal (glTF 2.0, 3.9.2), and an error map would be black. */
function plainWhereNothingIsSaid(material: Mesh["material"]): void {
  if (material instanceof MeshStandardMaterial && !material.map && !material.metalnessMap && material.metalness === 1) {
    material.metalness = 0;
    material.roughness = 0.8;
  }
}

/** The JSON chunk of a container whose lengths hold (glTF 2.0, section 4.4). */
function documentOf(bytes: Uint8Array<ArrayBuffer>): Record<string, unknown> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 20 || view.getUint32(0, true) !== MAGIC) throw new Error("it is no binary glTF");
  if (view.getUint32(4, true) !== 2) throw new Error("it is not of glTF version 2");
  if (view.getUint32(8, true) !== bytes.length) throw new Error("it is cut short");
  const size = view.getUint32(12, true);
  if (view.getUint32(16, true) !== JSON_CHUNK || 20 + size > bytes.length) throw new Error("it has no JSON chunk");
  const document: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(20, 20 + size)));
  if (typeof document !== "object" || document === null) throw new Error("its JSON is no object");
  return document as Record<string, unknown>;
}

function refuseReferences(document: Record<string, unknown>): void {
  for (const name of ["buffers", "images"]) {
    const items = document[name] ?? [];
    if (!Array.isArray(items)) throw new Error(`its ${name} are no list`);
    if (items.some((item) => typeof item !== "object" || item === null || "uri" in item))
      throw new Error("it refers to something outside itself");
  }
  const required = document["extensionsRequired"];
  if (Array.isArray(required) && required.length > 0)
    throw new Error(`it needs the glTF extension ${String(required[0]).slice(0, 60)}, which is not supported`);
}

export function meshesOf(model: Object3D): Mesh[] {
  const meshes: Mesh[] = [];
  model.traverse((part) => {
    if (part instanceof Mesh) meshes.push(part);
  });
  return meshes;
}
