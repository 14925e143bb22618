// The bytes behind a source, wherever the page keeps them.
import type { Source } from "./spec";

const MAX_BYTES = 64 * 2 ** 20; // as MAX_SHOWN_BYTES in glb_check.py

declare global {
  /** Files of a page opened from file://, which may fetch nothing: base64 by name. */
  var HEADS_FILES: Record<string, string> | undefined;
}

export async function bytesOf(source: Source): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof source !== "string") return decoded(packed(source.file));
  if (source.startsWith("data:")) return decoded(afterComma(source));
  const response = await fetch(source, { credentials: "same-origin" });
  if (!response.ok) throw new Error(`its file could not be loaded (${response.status})`);
  if (Number(response.headers.get("content-length") ?? 0) > MAX_BYTES) throw tooLarge();
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes.length > MAX_BYTES) throw tooLarge();
  return bytes;
}

/** An address for an `img`; for a packed file a blob: URL, which the caller revokes. */
export async function imageAddress(source: Source): Promise<string> {
  if (typeof source === "string") return source;
  const bytes = await bytesOf(source);
  return URL.createObjectURL(new Blob([bytes], { type: bytes[0] === 0xff ? "image/jpeg" : "image/png" }));
}

function packed(name: string): string {
  const files = globalThis.HEADS_FILES;
  const text = files && Object.hasOwn(files, name) ? files[name] : undefined;
  if (text === undefined) throw new Error(`this page holds no file ‘${name}’`);
  return text;
}

function afterComma(uri: string): string {
  const comma = uri.indexOf(",");
  if (comma < 0 || !uri.slice(0, comma).endsWith(";base64")) throw new Error("its data: address is no base64");
  return uri.slice(comma + 1);
}

function decoded(base64: string): Uint8Array<ArrayBuffer> {
  if (base64.length > (MAX_BYTES * 4) / 3) throw tooLarge();
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function tooLarge(): Error {
  return new Error(`its file is larger than ${MAX_BYTES / 2 ** 20} MiB`);
}
