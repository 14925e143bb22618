// The one renderer of a page. It draws head after head and copies each into the head's own 2D canvas: browsers
// keep about 16 WebGL contexts alive and drop the oldest, a page shows more heads than that, and in one context
// a head that is shown twice lies in memory once.
import { Color, type Group, NeutralToneMapping, PerspectiveCamera, Scene, WebGLRenderer } from "three";
import { meshesOf } from "./glb";
import { environment } from "./lights";
import { dress, PASSES } from "./looks";
import type { Orbit } from "./orbit";
import type { Appearance } from "./spec";

const SHARPEST = 2; // device pixels a CSS pixel; more is not seen in a head
const SLOW = 40; // ms for all pictures; beyond, they are coarser while they move
const SETTLED = 150; // ms after the last turn
const BUDGET = 120; // ms of a frame; what is left is drawn in the next, so that the page goes on

/** A picture that the stage keeps up to date. */
export interface Picture {
  readonly canvas: HTMLCanvasElement;
  readonly orbit: Orbit;
  readonly model: Group | undefined;
  readonly appearance: Appearance;
  readonly onScreen: boolean;
  failed(sentence: string): void;
}

export class Stage {
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera();
  private readonly waiting = new Set<Picture>();
  private readonly coarse = new Set<Picture>();
  private readonly orbits = new Set<Orbit>();
  private readonly ink = new Color();
  private frame = 0;
  private last = 0;
  private stirred = -SETTLED; // ms, when a camera last moved
  private cost = 0; // ms of the last sharp picture

  constructor(private readonly renderer: WebGLRenderer) {
    renderer.setPixelRatio(1);
    renderer.autoClear = false;
    renderer.toneMapping = NeutralToneMapping; // keeps hues: skin is compared here
    renderer.toneMappingExposure = 1;
    this.begin();
  }

  /** A new context, and one that came back, would clear to black. */
  begin(): void {
    this.renderer.setClearColor(0x000000, 0);
  }

  /** Whether the browser has taken the context away; it may give it back. */
  get lost(): boolean {
    return this.renderer.getContext().isContextLost();
  }

  /** Draw a picture at the next frame; `turning` while its camera moves. */
  redraw(picture: Picture, turning = false): void {
    this.waiting.add(picture);
    if (turning) {
      this.orbits.add(picture.orbit);
      this.stirred = performance.now();
    }
    this.ask();
  }

  forget(picture: Picture): void {
    this.waiting.delete(picture);
    this.coarse.delete(picture);
  }

  private ask(): void {
    this.frame ||= requestAnimationFrame(() => this.tick());
  }

  private tick(): void {
    this.frame = 0;
    const start = performance.now();
    const ms = Math.min(64, start - this.last);
    this.last = start;
    // A camera that goes on by itself has its pictures put into `waiting` again.
    for (const orbit of [...this.orbits]) {
      orbit.advance(ms);
      if (!orbit.moving) this.orbits.delete(orbit);
    }
    const turning = this.orbits.size > 0 || start - this.stirred < SETTLED;
    if (!turning) for (const picture of this.coarse) this.waiting.add(picture);
    const pictures = [...this.waiting].filter((picture) => picture.onScreen && picture.model);
    const rough = turning && this.cost * pictures.length > SLOW;
    this.waiting.clear();
    for (const picture of pictures) {
      const now = performance.now();
      if (now - start > BUDGET) this.waiting.add(picture);
      else {
        this.draw(picture, rough);
        if (!rough) this.cost = performance.now() - now;
      }
    }
    if (this.orbits.size > 0 || this.waiting.size > 0 || this.coarse.size > 0) this.ask();
  }

  private draw(picture: Picture, rough: boolean): void {
    const { canvas, model, appearance } = picture;
    const context = canvas.getContext("2d");
    if (!context || !model || canvas.clientWidth === 0 || canvas.clientHeight === 0) return;
    if (this.lost) return; // all are drawn again when it is back
    const sharpness = Math.min(SHARPEST, devicePixelRatio || 1);
    const width = Math.round(canvas.clientWidth * sharpness);
    const height = Math.round(canvas.clientHeight * sharpness);
    const [wide, high] = rough ? [Math.ceil(width / 2), Math.ceil(height / 2)] : [width, height];
    this.makeRoom(wide, high);
    picture.orbit.aim(this.camera, width / height);
    try {
      this.renderer.setViewport(0, 0, wide, high);
      this.renderer.setScissor(0, 0, wide, high);
      this.renderer.setScissorTest(true);
      this.render(model, appearance, inkOf(canvas, this.ink));
    } catch (error) {
      picture.failed(error instanceof Error ? error.message : String(error));
      return;
    } finally {
      this.scene.clear();
    }
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.clearRect(0, 0, width, height);
    const drawn = this.renderer.domElement;
    context.drawImage(drawn, 0, drawn.height - high, wide, high, 0, 0, width, height);
    if (rough) this.coarse.add(picture);
    else this.coarse.delete(picture);
  }

  private render(model: Group, { look, light, weights }: Appearance, ink: Color): void {
    this.scene.environment = environment(light);
    this.scene.add(model);
    const meshes = meshesOf(model);
    for (const mesh of meshes) {
      for (const [name, place] of Object.entries(mesh.morphTargetDictionary ?? {})) {
        const weight = Object.hasOwn(weights, name) ? Number(weights[name]) : 0;
        if (mesh.morphTargetInfluences) mesh.morphTargetInfluences[place] = Number.isFinite(weight) ? weight : 0;
      }
    }
    this.renderer.clear();
    for (let pass = 0; pass < PASSES[look].length; pass++) {
      for (const mesh of meshes) dress(mesh, look, pass, ink);
      this.renderer.render(this.scene, this.camera);
    }
  }

  /** The drawing buffer grows to the largest picture and stays: a new size costs as much as a frame. */
  private makeRoom(width: number, height: number): void {
    const { width: wide, height: high } = this.renderer.domElement;
    if (width > wide || height > high)
      this.renderer.setSize(Math.max(width, wide), Math.max(height, high), false);
  }
}

function inkOf(canvas: HTMLCanvasElement, ink: Color): Color {
  const style = getComputedStyle(canvas).getPropertyValue("--line").trim();
  return ink.set(/^#[0-9a-f]{6}$/i.test(style) ? style : "#10233a");
}

/** Whoever draws here hears when that ends for a while. */
export interface Interrupted {
  lost(): void;
  restored(): void;
}

let shared: Stage | null | undefined;
const everyone = new Set<Interrupted>();

/** The page's stage, or null where the browser gives no WebGL. */
export function theStage(): Stage | null {
  if (shared !== undefined) return shared;
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2", { alpha: true, antialias: true, depth: true });
  if (!context) return (shared = null);
  try {
    const stage = new Stage(new WebGLRenderer({ canvas, context, antialias: true, alpha: true }));
    // After three's own listeners, of which one asks for the context back and the other uploads everything anew.
    canvas.addEventListener("webglcontextlost", () => {
      for (const one of everyone) one.lost();
    });
    canvas.addEventListener("webglcontextrestored", () => {
      stage.begin();
      for (const one of everyone) one.restored();
    });
    return (shared = stage);
  } catch {
    return (shared = null);
  }
}

/** Returns what ends the hearing. */
export function hearInterruptions(one: Interrupted): () => void {
  everyone.add(one);
  return () => everyone.delete(one);
}
