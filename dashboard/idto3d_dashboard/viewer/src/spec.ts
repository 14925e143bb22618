// What a page asks the viewer to show; the JSON that `head_spec` writes in Python.

export const LOOKS = ["colour", "clay", "normals", "wireframe", "albedo"] as const;
export const LIGHTS = ["studio", "even", "side"] as const;
export type Look = (typeof LOOKS)[number];
export type Light = (typeof LIGHTS)[number];

/** An address, a data: URI, or the name of a base64 text in `globalThis.HEADS_FILES`. */
export type Source = string | { file: string };

export interface HeadSpec {
  name: string;
  glb: Source;
  /** Names the bytes: the same head is fetched and decoded once on a page. */
  hash?: string;
  strip?: Source[];
  note?: string;
  /** How to turn it, where the page takes the arrow keys for something else. */
  help?: string;
  /** Why the head is not shown; it was refused before it was sent. */
  error?: string;
}

export interface ViewerSpec {
  heads: HeadSpec[];
  look?: string;
  light?: string;
  weights?: Record<string, number>;
  /** Of a picture, in CSS pixels. */
  height?: number;
  /** Mounts of one group turn together. */
  group?: string;
  /** Under which the camera is found again when the same place is mounted anew. */
  key?: string;
}

/** How every head of a mount is drawn. */
export interface Appearance {
  look: Look;
  light: Light;
  weights: Record<string, number>;
}

export function appearanceOf(spec: ViewerSpec): Appearance {
  return {
    look: LOOKS.find((look) => look === spec.look) ?? "colour",
    light: LIGHTS.find((light) => light === spec.light) ?? "studio",
    weights: spec.weights ?? {},
  };
}

export function sameAppearance(one: Appearance, other: Appearance): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

export function sourceName(source: Source): string {
  return typeof source === "string" ? source : `file:${source.file}`;
}

/** What tells one head from another: its bytes, where they are named. */
export function headName(head: HeadSpec): string {
  return head.error ? `error:${head.error}` : (head.hash ?? sourceName(head.glb));
}
