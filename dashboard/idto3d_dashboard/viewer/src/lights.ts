// Rooms of light as sums of spherical Gaussians (Wang et al., "All-Frequency Rendering of Dynamic,
// Spatially-Varying Reflectance", 2009, section 3), filtered for every roughness in closed form. three.js would
// filter a rendered room on the GPU instead (PMREMGenerator): in software that took 34 s, this takes some ms, and
// machines with a GPU and without show the same picture.
import {
  CubeTexture,
  DataUtils,
  HalfFloatType,
  LinearFilter,
  LinearMipmapLinearFilter,
  LinearSRGBColorSpace,
  RGBAFormat,
} from "three";
import type { Light } from "./spec";

type Direction = readonly [number, number, number];

interface Lamp {
  /** Towards it; the head looks along +z. */
  at: Direction;
  /** Sharpness of the Gaussian, larger = smaller lamp; 10 is a lamp of about 36° across. */
  sharp: number;
  power: number; // radiance in its middle, 1 = a white sheet in full light
}

interface Room {
  above: number; // radiance of the ceiling, and of the floor; walls are between
  below: number;
  lamps: readonly Lamp[];
}

const ROOMS: Record<Light, Room> = {
  // Key from the upper left, fill from the right, two rims behind: form is read, and nothing drowns.
  studio: {
    above: 0.42,
    below: 0.2,
    lamps: [
      { at: [-0.55, 0.5, 0.67], sharp: 11, power: 6 },
      { at: [0.85, 0.15, 0.5], sharp: 5, power: 0.8 },
      { at: [-0.6, 0.3, -0.74], sharp: 12, power: 2.4 },
      { at: [0.6, 0.3, -0.74], sharp: 12, power: 2.4 },
    ],
  },
  // The same from everywhere: colours are compared, not forms.
  even: { above: 1, below: 1, lamps: [] },
  // One window to the head's right: bumps and dents stand out.
  side: { above: 0.14, below: 0.08, lamps: [{ at: [-0.94, 0.18, 0.28], sharp: 7, power: 8 }] },
};

const SIZES = [64, 32, 16, 8, 4]; // px of a face, from a mirror's level to the dull one's
const COSINE = 2.13; // sharpness of the Gaussian nearest to a clamped cosine: what a dull surface gathers

const made = new Map<Light, CubeTexture>();

/** The light of a room as three.js reads a prefiltered environment: a cube whose last level is the irradiance. */
export function environment(light: Light): CubeTexture {
  const known = made.get(light);
  if (known) return known;
  const faces = [0, 1, 2, 3, 4, 5].map((face) => ({
    // Levels given by hand are uploaded along the way of compressed textures.
    isCompressedTexture: true,
    width: SIZES[0],
    height: SIZES[0],
    mipmaps: SIZES.map((size, level) => ({ width: size, height: size, data: texels(ROOMS[light], face, size, level) })),
  }));
  const texture = new CubeTexture(faces as unknown as HTMLImageElement[]);
  texture.format = RGBAFormat;
  texture.type = HalfFloatType;
  texture.colorSpace = LinearSRGBColorSpace;
  texture.minFilter = LinearMipmapLinearFilter;
  texture.magFilter = LinearFilter;
  texture.generateMipmaps = false;
  texture.mipmaps = SIZES.map((size) => ({ width: size, height: size })) as unknown as typeof texture.mipmaps;
  texture.isPMREMTexture = true;
  texture.needsUpdate = true;
  made.set(light, texture);
  return texture;
}

function texels(room: Room, face: number, size: number, level: number): Uint16Array {
  const share = level / (SIZES.length - 1);
  const roughness = 1 - Math.sqrt(1 - share); // the levels' scale in three.js
  const alpha = Math.max(1e-3, roughness * roughness);
  const lobe = COSINE + 1 / (2 * alpha * alpha) - 0.5; // of GGX seen from straight above; the cosine's at roughness 1
  const data = new Uint16Array(4 * size * size);
  for (let row = 0; row < size; row++)
    for (let column = 0; column < size; column++) {
      const value = radiance(room, lobe, direction(face, (2 * column + 1) / size - 1, (2 * row + 1) / size - 1));
      const half = DataUtils.toHalfFloat(value);
      data.set([half, half, half, DataUtils.toHalfFloat(1)], 4 * (row * size + column));
    }
  return data;
}

/** What a lobe of the sharpness gathers around a direction. */
function radiance(room: Room, lobe: number, [x, y, z]: Direction): number {
  const blurred = y * (1 - 1 / (1 + lobe)); // the mean height over the lobe
  let sum = (room.above + room.below) / 2 + ((room.above - room.below) / 2) * blurred;
  for (const { at, sharp, power } of room.lamps) {
    const length = Math.hypot(...at);
    const cosine = (x * at[0] + y * at[1] + z * at[2]) / length;
    const wide = (sharp * lobe) / (sharp + lobe);
    // Blurred, a lamp is wider and as much dimmer: its energy stays.
    sum += ((power * energy(sharp)) / energy(wide)) * Math.exp(wide * (cosine - 1));
  }
  return sum;
}

function energy(sharp: number): number {
  return (2 * Math.PI * (1 - Math.exp(-2 * sharp))) / sharp;
}

/** Of a texel of a face, s and t from −1 to 1 (OpenGL ES 3.0, table 3.21); three.js mirrors cubes in x. */
function direction(face: number, s: number, t: number): Direction {
  const towards: Direction[] = [
    [1, -t, -s],
    [-1, -t, s],
    [s, 1, t],
    [s, -1, -t],
    [s, -t, 1],
    [-s, -t, -1],
  ];
  const [x, y, z] = towards[face] ?? [0, 0, 1];
  const length = Math.hypot(x, y, z);
  return [-x / length, y / length, z / length];
}
