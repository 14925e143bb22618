// Rooms of light, made here: walls that glow, filtered once for every roughness.
import {
  BackSide,
  BoxGeometry,
  Color,
  Mesh,
  MeshBasicMaterial,
  PMREMGenerator,
  Scene,
  type Texture,
  type WebGLRenderTarget,
  type WebGLRenderer,
} from "three";
import type { Light } from "./spec";

interface Lamp {
  /** Towards it, and how far, in metres; the head is at the origin and looks along +z. */
  at: readonly [number, number, number];
  size: readonly [number, number, number];
  power: number;
}

interface Room {
  walls: number; // radiance, 1 = a white sheet in full light
  floor: number;
  lamps: readonly Lamp[];
}

const ROOMS: Record<Light, Room> = {
  // Key from the upper left, fill from the right, two rims behind: form is read, and nothing drowns.
  studio: {
    walls: 0.42,
    floor: 0.3,
    lamps: [
      { at: [-3.2, 3.0, 3.6], size: [2.2, 2.2, 0.2], power: 12 },
      { at: [4.2, 0.8, 2.4], size: [0.2, 3.0, 2.4], power: 3 },
      { at: [0, 4.6, 0], size: [3.0, 0.2, 3.0], power: 4 },
      { at: [-3.4, 1.6, -3.8], size: [1.2, 2.6, 0.2], power: 7 },
      { at: [3.4, 1.6, -3.8], size: [1.2, 2.6, 0.2], power: 7 },
    ],
  },
  // The same from everywhere: colours are compared, not forms.
  even: { walls: 0.95, floor: 0.95, lamps: [] },
  // One window to the head's right: bumps and dents stand out.
  side: {
    walls: 0.12,
    floor: 0.1,
    lamps: [{ at: [-4.6, 0.8, 1.2], size: [0.2, 3.2, 3.2], power: 14 }],
  },
};

const HALF_ROOM = 5; // m
const BLUR = 0.04; // rad: corners of lamps leave no edges in a sheen
// px of a cube face. The lamps are large and blurred: 64 look as 256, and where no GPU is 256 took 34 s, not 2.
const SIDE = 64;

/** Environments of one renderer, each made when it is first asked for. */
export class Lights {
  private readonly made = new Map<Light, WebGLRenderTarget>();

  constructor(private readonly renderer: WebGLRenderer) {}

  get(light: Light): Texture {
    let target = this.made.get(light);
    if (!target) {
      const generator = new PMREMGenerator(this.renderer);
      const room = built(ROOMS[light]);
      target = generator.fromScene(room, BLUR, 0.1, 20, { size: SIDE });
      generator.dispose();
      emptied(room);
      this.made.set(light, target);
    }
    return target.texture;
  }

  /** After a lost context the filtered rooms are gone with it. */
  forget(): void {
    for (const target of this.made.values()) target.dispose();
    this.made.clear();
  }
}

function built(room: Room): Scene {
  const scene = new Scene();
  const side = 2 * HALF_ROOM;
  scene.add(glowing([side, side, side], room.walls, BackSide));
  const floor = glowing([side, 0.1, side], room.floor);
  floor.position.y = 0.1 - HALF_ROOM;
  scene.add(floor);
  for (const lamp of room.lamps) {
    const mesh = glowing(lamp.size, lamp.power);
    mesh.position.set(...lamp.at);
    scene.add(mesh);
  }
  return scene;
}

function glowing(size: readonly [number, number, number], power: number, side?: typeof BackSide): Mesh {
  const material = new MeshBasicMaterial({ color: new Color().setScalar(power), ...(side ? { side } : {}) });
  return new Mesh(new BoxGeometry(...size), material);
}

function emptied(scene: Scene): void {
  scene.traverse((part) => {
    if (!(part instanceof Mesh)) return;
    part.geometry.dispose();
    for (const material of [part.material].flat()) material.dispose();
  });
}
