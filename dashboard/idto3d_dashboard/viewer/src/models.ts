// Decoded heads by the hash of their bytes: shared by all mounts of a page, and kept a while after the last use.
import { type Group, type Material, Texture } from "three";
import { freeTargetColour } from "./colours";
import { meshesOf, parseGlb } from "./glb";
import { forgetMaterials } from "./looks";
import { bytesOf } from "./sources";
import { type HeadSpec, headName } from "./spec";

const KEPT = 12; // heads nobody shows now; a page that pages through people finds the last ones at once
const AT_ONCE = 2; // decoders; more would hold the page up

interface Entry {
  users: number;
  loaded: Promise<Group>;
}

const entries = new Map<string, Entry>(); // in the order of last use
const waiting: (() => void)[] = [];
let decoding = 0;

/** The model of a head, decoded at the first call. `release` it once for each call. */
export function acquire(head: HeadSpec): Promise<Group> {
  const name = headName(head);
  const entry = entries.get(name) ?? { users: 0, loaded: inTurn(async () => parseGlb(await bytesOf(head.glb))) };
  entry.users += 1;
  entries.delete(name);
  entries.set(name, entry);
  // What failed is asked for again by the next who wants it: a network may come back.
  entry.loaded.catch(() => entries.get(name) === entry && entries.delete(name));
  return entry.loaded;
}

export function release(head: HeadSpec): void {
  const entry = entries.get(headName(head));
  if (!entry) return;
  entry.users = Math.max(0, entry.users - 1);
  const idle = [...entries].filter(([, one]) => one.users === 0);
  for (const [name, one] of idle.slice(0, Math.max(0, idle.length - KEPT))) {
    entries.delete(name);
    one.loaded.then(freeModel, () => undefined);
  }
}

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  while (decoding >= AT_ONCE) await new Promise<void>((resume) => waiting.push(resume));
  decoding += 1;
  try {
    return await work();
  } finally {
    decoding -= 1;
    waiting.shift()?.();
  }
}

function freeModel(model: Group): void {
  for (const mesh of meshesOf(model)) {
    forgetMaterials(mesh);
    mesh.geometry.dispose();
    for (const material of [mesh.material].flat()) freeMaterial(material);
  }
}

function freeMaterial(material: Material): void {
  for (const value of Object.values(material)) {
    if (!(value instanceof Texture)) continue;
    value.dispose();
    if (typeof ImageBitmap !== "undefined" && value.image instanceof ImageBitmap) value.image.close();
  }
  freeTargetColour(material);
  material.dispose();
}
