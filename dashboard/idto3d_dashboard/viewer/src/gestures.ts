// Mouse, touch and keys on a picture, told to its camera.
import type { Orbit, Pose } from "./orbit";

const TURN = 0.009; // rad a pixel: the width of a picture turns a head half round
const KEY_TURN = Math.PI / 18; // 10°
const KEY_ZOOM = 1.15;
const METRES = 0.3; // that a picture's height shows at zoom 1

interface Touch {
  x: number;
  y: number;
}

/** Fingers by camera: on a telephone two of them rarely fit on one head, and two heads of a group zoom as one. */
const touching = new WeakMap<Orbit, Map<number, Touch>>();

/** Returns what takes the listeners off again. */
export function listen(canvas: HTMLCanvasElement, orbit: () => Orbit): () => void {
  const off = new AbortController();
  const options = { signal: off.signal };
  const own = new Set<number>(); // pointers that went down here
  let touches = new Map<number, Touch>(); // of the camera that they hold
  let speed = { x: 0, y: 0 }; // px/ms, smoothed
  let moved = 0; // ms, when a pointer last did
  let began: Pose | undefined; // where the camera stood before the only finger
  let pinched = false; // the last finger of a pinch leaves no spin behind

  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button > 2) return;
    if (own.size === 0) touches = touching.get(orbit()) ?? new Map<number, Touch>();
    touching.set(orbit(), touches);
    own.add(event.pointerId);
    touches.set(event.pointerId, { x: event.clientX, y: event.clientY });
    canvas.setPointerCapture(event.pointerId);
    orbit().hold();
    began = touches.size === 1 ? { ...orbit().pose } : undefined;
    speed = { x: 0, y: 0 };
    pinched = touches.size > 1;
  }, options);

  canvas.addEventListener("pointermove", (event) => {
    const last = touches.get(event.pointerId);
    if (!last) return;
    const step = { x: event.clientX - last.x, y: event.clientY - last.y };
    if (touches.size > 1) pinch(event, step);
    else if (event.shiftKey || (event.buttons & 2) !== 0) shift(step);
    else {
      orbit().turn(-step.x * TURN, step.y * TURN);
      const ms = Math.max(1, event.timeStamp - moved);
      speed = { x: 0.6 * speed.x + (0.4 * step.x) / ms, y: 0.6 * speed.y + (0.4 * step.y) / ms };
    }
    moved = event.timeStamp;
    touches.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }, options);

  function pinch(event: PointerEvent, step: Touch): void {
    const still = [...touches].find(([id]) => id !== event.pointerId)?.[1];
    const last = touches.get(event.pointerId);
    if (!still || !last) return;
    const before = Math.hypot(last.x - still.x, last.y - still.y);
    const after = Math.hypot(event.clientX - still.x, event.clientY - still.y);
    if (before > 8 && after > 8) orbit().zoomBy(after / before);
    shift({ x: step.x / 2, y: step.y / 2 }); // half: the other finger tells its own half
    pinched = true;
  }

  function shift(step: Touch): void {
    const scale = METRES / Math.max(1, canvas.clientHeight) / orbit().pose.zoom;
    orbit().shift(-step.x * scale, step.y * scale);
  }

  const lift = (event: PointerEvent): void => {
    own.delete(event.pointerId);
    if (!touches.delete(event.pointerId) || touches.size > 0) return;
    // The browser scrolls with this finger instead: what it did on its first pixels was not meant.
    if (event.type === "pointercancel" && began) orbit().take(began);
    else if (event.timeStamp - moved < 60 && !pinched) orbit().fling(-speed.x * TURN, speed.y * TURN);
  };
  canvas.addEventListener("pointerup", lift, options);
  canvas.addEventListener("pointercancel", lift, options);
  canvas.addEventListener("contextmenu", (event) => event.preventDefault(), options);
  canvas.addEventListener("dblclick", () => orbit().reset(), options); // and a double tap

  // A page that is scrolled must not stop at every head: the wheel zooms where the reader has gone in, or pinches.
  canvas.addEventListener("wheel", (event) => {
    const root = canvas.getRootNode() as Document | ShadowRoot;
    if (!event.ctrlKey && root.activeElement !== canvas) return;
    event.preventDefault();
    orbit().zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)));
  }, { ...options, passive: false });

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const act = KEYS[event.key];
    if (!act) return;
    act(orbit(), event.shiftKey);
    event.preventDefault();
    event.stopPropagation();
  }, options);

  return () => {
    off.abort();
    for (const id of own) touches.delete(id);
  };
}

const turnOrShift = (across: number, up: number) => (orbit: Orbit, shifted: boolean) =>
  shifted
    ? orbit.shift((-across * 0.01) / orbit.pose.zoom, (-up * 0.01) / orbit.pose.zoom)
    : orbit.turn(-across * KEY_TURN, -up * KEY_TURN);

const zoom = (factor: number) => (orbit: Orbit) => orbit.zoomBy(factor);

/** As a drag of the same direction; with shift the picture moves instead. */
const KEYS: Record<string, ((orbit: Orbit, shifted: boolean) => void) | undefined> = {
  ArrowLeft: turnOrShift(-1, 0),
  ArrowRight: turnOrShift(1, 0),
  ArrowUp: turnOrShift(0, 1),
  ArrowDown: turnOrShift(0, -1),
  "+": zoom(KEY_ZOOM),
  "=": zoom(KEY_ZOOM),
  "-": zoom(1 / KEY_ZOOM),
  "0": (orbit) => orbit.reset(),
};
