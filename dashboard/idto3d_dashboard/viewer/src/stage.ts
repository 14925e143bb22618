// The one renderer of a page. It draws head after head and copies each into the head's own 2D canvas: browsers
// keep about 16 WebGL contexts alive and drop the oldest, a page shows more heads than that, and in one context
// a head that is shown twice lies in memory once.
import { Color, type Group, NeutralToneMapping, PerspectiveCamera, Scene, WebGLRenderer } from "three";
import { meshesOf } from "./glb";
import { Lights } from "./lights";
import { dress, PASSES } from "./looks";
import type { Orbit } from "./orbit";
import type { Appearance } from "./spec";

const SHARPEST = 2; // device pixels a CSS pixel; more is not seen in a head
const SLOW = 40; // ms for a round of pictures; beyond, they are coarser while they move

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
  private readonly lights: Lights;
  private readonly waiting = new Set<Picture>();
  private readonly coarse = new Set<Picture>();
  private readonly orbits = new Set<Orbit>();
  private readonly ink = new Color();
  private frame = 0;
  private last = 0;
  private round = 0; // ms that the last round of sharp pictures took

  constructor(private readonly renderer: WebGLRenderer) {
    renderer.setPixelRatio(1);
    renderer.setClearColor(0x000000, 0);
    renderer.autoClear = false;
    renderer.toneMapping = NeutralToneMapping; // keeps hues: skin is compared here
    renderer.toneMappingExposure = 1;
    this.lights = new Lights(renderer);
  }

  /** Draw a picture at the next frame. */
  redraw(picture: Picture): void {
    this.waiting.add(picture);
    this.orbits.add(picture.orbit);
    this.ask();
  }

  forget(picture: Picture): void {
    this.waiting.delete(picture);
    this.coarse.delete(picture);
  }

  restored(): void {
    this.lights.forget();
  }

  private ask(): void {
    this.frame ||= requestAnimationFrame((now) => this.tick(now));
  }

  private tick(now: number): void {
    this.frame = 0;
    const ms = Math.min(64, now - this.last || 16);
    this.last = now;
    // An orbit that goes on asks for its pictures again; `ask` in there makes the next frame.
    for (const orbit of [...this.orbits]) {
      orbit.advance(ms);
      if (!orbit.moving) this.orbits.delete(orbit);
    }
    const moving = this.orbits.size > 0;
    if (!moving && this.waiting.size === 0) for (const picture of this.coarse) this.waiting.add(picture);
    const pictures = [...this.waiting].filter((picture) => picture.onScreen && picture.model);
    this.waiting.clear();
    const rough = moving && this.round > SLOW;
    const start = performance.now();
    for (const picture of pictures) this.draw(picture, rough);
    if (pictures.length > 0 && !rough) this.round = performance.now() - start;
    if (moving || this.coarse.size > 0) this.ask();
  }

  private draw(picture: Picture, rough: boolean): void {
    const { canvas, model, appearance } = picture;
    const context = canvas.getContext("2d");
    if (!context || !model || canvas.clientWidth === 0 || canvas.clientHeight === 0) return;
    if (this.renderer.getContext().isContextLost()) return; // all are drawn again when it is back
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
    this.scene.environment = this.lights.get(light);
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

let shared: Stage | null | undefined;
const everyone = new Set<() => void>();

/** The page's stage, or null where the browser gives no WebGL. */
export function theStage(): Stage | null {
  if (shared !== undefined) return shared;
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2", { alpha: true, antialias: false, depth: true });
  if (!context) return (shared = null);
  try {
    const stage = new Stage(new WebGLRenderer({ canvas, context, antialias: true, alpha: true }));
    // After three's own listener, which makes its textures anew.
    canvas.addEventListener("webglcontextrestored", () => {
      stage.restored();
      for (const again of everyone) again();
    });
    return (shared = stage);
  } catch {
    return (shared = null);
  }
}

/** Call when all pictures must be drawn anew; returns what ends that. */
export function whenRestored(again: () => void): () => void {
  everyone.add(again);
  return () => everyone.delete(again);
}
