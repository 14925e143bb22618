// One camera for many pictures: where it stands around the heads, and how it comes to rest.
import type { PerspectiveCamera } from "three";

export interface Pose {
  azimuth: number; // rad, 0 = in front, positive towards the head's left (+x)
  elevation: number; // rad, positive from above
  zoom: number; // 1 = the whole head
  across: number; // m, the middle of the picture from the head's, along the picture
  up: number;
}

const HOME: Readonly<Pose> = { azimuth: 0, elevation: 0, zoom: 1, across: 0, up: 0 };
// The origin is between the eyes; the middle of a head is below and behind it (bounds of the population's heads:
// x ±100, y −150…120, z −205…30 mm).
const MIDDLE = [0, -0.016, -0.085] as const;
const FIELD = 24; // °, vertical: a portrait lens
const SEEN_HEIGHT = 0.305; // m that fit at zoom 1, at the depth of the middle
const SEEN_WIDTH = 0.245;
const STEEPEST = 1.45; // rad
const SLOWING = 240; // ms in which a turn left to itself loses 63 % of its speed
const HOMING = 70; // ms, likewise for the way home
const STILL = 2e-5; // rad/ms

export class Orbit {
  readonly pose: Pose = { ...HOME };
  private readonly watchers = new Set<() => void>();
  private spin = { azimuth: 0, elevation: 0 }; // rad/ms
  private homing = false;

  watch(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  get watched(): boolean {
    return this.watchers.size > 0;
  }

  get moving(): boolean {
    return this.homing || this.spin.azimuth !== 0 || this.spin.elevation !== 0;
  }

  /** By hand: stops what moves by itself. */
  turn(azimuth: number, elevation: number): void {
    this.hold();
    this.place({ azimuth: this.pose.azimuth + azimuth, elevation: this.pose.elevation + elevation });
  }

  zoomBy(factor: number): void {
    this.hold();
    this.place({ zoom: this.pose.zoom * factor });
  }

  shift(across: number, up: number): void {
    this.hold();
    this.place({ across: this.pose.across + across, up: this.pose.up + up });
  }

  hold(): void {
    this.homing = false;
    this.spin = { azimuth: 0, elevation: 0 };
  }

  fling(azimuth: number, elevation: number): void {
    if (prefersStillness() || Math.hypot(azimuth, elevation) < 10 * STILL) return;
    this.spin = { azimuth, elevation };
    this.tell();
  }

  reset(): void {
    this.hold();
    this.pose.azimuth = Math.atan2(Math.sin(this.pose.azimuth), Math.cos(this.pose.azimuth)); // the short way
    this.homing = !prefersStillness();
    this.place(this.homing ? {} : HOME);
  }

  /** Stand where another stood. */
  take(pose: Readonly<Pose>): void {
    this.hold();
    this.place(pose);
  }

  /** Go on by itself for some milliseconds. */
  advance(ms: number): void {
    if (this.homing) {
      const left = Math.exp(-ms / HOMING);
      const names = Object.keys(HOME) as (keyof Pose)[];
      for (const name of names) this.pose[name] = HOME[name] + (this.pose[name] - HOME[name]) * left;
      if (names.every((name) => Math.abs(this.pose[name] - HOME[name]) < 1e-3)) {
        Object.assign(this.pose, HOME);
        this.homing = false;
      }
      this.tell();
    } else if (this.moving) {
      const left = Math.exp(-ms / SLOWING);
      const { azimuth, elevation } = this.spin;
      this.spin = { azimuth: azimuth * left, elevation: elevation * left };
      if (Math.hypot(this.spin.azimuth, this.spin.elevation) < STILL) this.hold();
      this.place({ azimuth: this.pose.azimuth + azimuth * ms, elevation: this.pose.elevation + elevation * ms });
    }
  }

  aim(camera: PerspectiveCamera, aspect: number): void {
    const { azimuth, elevation, zoom, across, up } = this.pose;
    const half = Math.tan((FIELD * Math.PI) / 360);
    const distance = Math.max(SEEN_HEIGHT, SEEN_WIDTH / aspect) / (2 * half) / zoom;
    const flat = Math.cos(elevation);
    const from = [Math.sin(azimuth) * flat, Math.sin(elevation), Math.cos(azimuth) * flat] as const;
    // The picture's own axes: across is level, up is square to both.
    const right = [Math.cos(azimuth), 0, -Math.sin(azimuth)] as const;
    const top = [-Math.sin(azimuth) * from[1], flat, -Math.cos(azimuth) * from[1]] as const;
    const aimed = [0, 1, 2].map((i) => MIDDLE[i]! + right[i]! * across + top[i]! * up) as [number, number, number];
    camera.fov = FIELD;
    camera.aspect = aspect;
    camera.near = Math.max(0.02, distance - 0.6);
    camera.far = distance + 2;
    camera.position.set(
      aimed[0] + from[0] * distance,
      aimed[1] + from[1] * distance,
      aimed[2] + from[2] * distance,
    );
    camera.lookAt(...aimed);
    camera.updateProjectionMatrix();
  }

  /** For who cannot see the picture. */
  words(): string {
    const { azimuth, elevation, zoom } = this.pose;
    const turned = Math.round((Math.atan2(Math.sin(azimuth), Math.cos(azimuth)) * 180) / Math.PI);
    const raised = Math.round((elevation * 180) / Math.PI);
    const where = turned === 0 ? "from the front" : `from ${Math.abs(turned)}° to its ${turned > 0 ? "left" : "right"}`;
    const height = raised === 0 ? "" : `, ${Math.abs(raised)}° ${raised > 0 ? "above" : "below"}`;
    return `Seen ${where}${height}${Math.abs(zoom - 1) < 0.01 ? "" : `, ${zoom.toFixed(1)} times as large`}.`;
  }

  private place(pose: Partial<Pose>): void {
    Object.assign(this.pose, pose);
    this.pose.elevation = between(this.pose.elevation, -STEEPEST, STEEPEST);
    this.pose.zoom = between(this.pose.zoom, 0.4, 6);
    this.pose.across = between(this.pose.across, -0.15, 0.15);
    this.pose.up = between(this.pose.up, -0.18, 0.18);
    this.tell();
  }

  private tell(): void {
    for (const watcher of this.watchers) watcher();
  }
}

const groups = new Map<string, Orbit>();
const left = new Map<string, Pose>();

/** The camera of a group, or one of its own; it stands where the last one of that key stood. */
export function orbitFor(group: string | undefined, key: string | undefined): Orbit {
  const shared = group === undefined ? undefined : groups.get(group);
  if (shared?.watched) return shared;
  const orbit = shared ?? new Orbit();
  if (group !== undefined) groups.set(group, orbit);
  const last = key === undefined ? undefined : left.get(key);
  if (last) orbit.take(last);
  return orbit;
}

export function rememberPose(key: string | undefined, orbit: Orbit): void {
  if (key !== undefined) left.set(key, { ...orbit.pose });
}

export function prefersStillness(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function between(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
