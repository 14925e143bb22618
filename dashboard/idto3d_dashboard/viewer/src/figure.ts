// One head of a mount: its picture, its caption, and what is said while or where it cannot be seen.
import type { Group } from "three";
import { element } from "./elements";
import { listen } from "./gestures";
import { acquire, release } from "./models";
import type { Orbit } from "./orbit";
import { type Appearance, type HeadSpec, sameAppearance } from "./spec";
import { type Interrupted, type Picture, hearInterruptions, theStage } from "./stage";
import { showStrip } from "./strip";

const SAID_AFTER = 500; // ms of rest, so that a turn is announced once
const BACK_WITHIN = 1000; // ms in which a lost context mostly is restored; the last picture stands meanwhile

export class HeadFigure implements Picture, Interrupted {
  readonly element: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  model: Group | undefined;
  onScreen = false;
  private readonly frame: HTMLElement;
  private readonly state: HTMLElement;
  private readonly pose: HTMLElement;
  private readonly name: HTMLElement;
  private readonly note: HTMLElement;
  private readonly ends: (() => void)[] = [];
  private asked = false;
  private gone = false;
  private saying = 0;
  private missing = 0;
  private endGestures: (() => void) | undefined;
  private endStrip: (() => void) | undefined;

  constructor(
    private head: HeadSpec,
    public orbit: Orbit,
    public appearance: Appearance,
  ) {
    this.canvas = element("canvas", "h3d-canvas", {
      tabindex: "0",
      role: "application",
      "aria-roledescription": "3D head",
      "aria-keyshortcuts": head.help ? "+ - 0" : "ArrowLeft ArrowRight ArrowUp ArrowDown + - 0",
      title: head.help ?? "Drag or use the arrow keys to turn; pinch, + and −, or a click and the wheel to zoom; shift to move; 0 or a double click to reset",
    });
    this.state = element("p", "h3d-state", { role: "status" });
    this.pose = element("p", "h3d-pose", { role: "status" });
    this.frame = element("div", "h3d-frame");
    this.name = element("span", "h3d-name");
    this.note = element("span", "h3d-note");
    const caption = element("figcaption", "h3d-caption");
    caption.append(this.name, this.note);
    this.element = element("figure", "h3d-head");
    this.element.append(this.frame, caption);
    this.caption(head);
    this.open();
  }

  /** The same head again, with what may have changed around it. */
  update(head: HeadSpec, orbit: Orbit, appearance: Appearance): void {
    this.head = { ...head, glb: this.head.glb };
    this.caption(head);
    const changed = !sameAppearance(appearance, this.appearance) || orbit !== this.orbit;
    this.appearance = appearance;
    this.orbit = orbit;
    if (changed) this.redraw();
  }

  /** The camera has moved. */
  turned(): void {
    this.redraw(true);
    clearTimeout(this.saying);
    this.saying = window.setTimeout(() => {
      // Of all heads that turn in step, the one in use speaks.
      const root = this.canvas.getRootNode() as Document | ShadowRoot;
      if (root.activeElement === this.canvas) this.pose.textContent = this.orbit.words();
    }, SAID_AFTER);
  }

  redraw(turning = false): void {
    if (this.onScreen && this.model) theStage()?.redraw(this, turning);
  }

  failed(reason: string): void {
    clearTimeout(this.missing);
    this.show("error");
    this.state.textContent = `This head cannot be shown: ${reason}.`;
    this.frame.replaceChildren(this.state);
  }

  /** The browser has taken WebGL away: the stored views stand in, or the last picture, until it is back. */
  lost(): void {
    if (this.element.dataset["state"] === "error") return;
    this.show("lost");
    clearTimeout(this.missing);
    this.missing = window.setTimeout(() => {
      const strip = this.head.strip?.length;
      if (strip) {
        this.endGestures?.();
        this.endStrip = showStrip(this.frame, this.head);
        this.frame.append(this.state);
      }
      const meanwhile = strip ? "these are stored views" : "nothing turns";
      this.state.textContent = `The browser has stopped 3D; until it goes on, ${meanwhile}.`;
    }, BACK_WITHIN);
  }

  restored(): void {
    if (this.element.dataset["state"] !== "lost") return;
    clearTimeout(this.missing);
    this.endStrip?.();
    this.endStrip = undefined;
    this.showPicture();
  }

  dispose(): void {
    this.gone = true;
    clearTimeout(this.saying);
    clearTimeout(this.missing);
    this.endStrip?.();
    this.endGestures?.();
    for (const end of this.ends) end();
    theStage()?.forget(this);
    if (this.asked) release(this.head);
    this.element.remove();
  }

  private caption(head: HeadSpec): void {
    this.name.textContent = head.name;
    this.note.textContent = head.note ?? "";
    this.canvas.setAttribute("aria-label", head.note ? `${head.name}, ${head.note}` : head.name);
  }

  private open(): void {
    if (this.head.error) {
      this.show("error");
      this.state.textContent = this.head.error;
      this.frame.replaceChildren(this.state);
    } else if (theStage()) this.openPicture();
    else if (this.head.strip?.length) {
      this.show("strip");
      this.ends.push(showStrip(this.frame, this.head));
    } else this.failed("this browser has no WebGL, and there are no stored views of it");
  }

  private openPicture(): void {
    this.showPicture();
    this.ends.push(hearInterruptions(this));
    if (theStage()?.lost) this.lost();
    const nearby = new IntersectionObserver((seen) => {
      this.onScreen = seen.at(-1)?.isIntersecting ?? false;
      if (this.onScreen) this.load();
      this.redraw();
    }, { rootMargin: "120px" });
    nearby.observe(this.canvas);
    const sized = new ResizeObserver(() => this.redraw());
    sized.observe(this.canvas);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const recoloured = () => this.redraw();
    dark.addEventListener("change", recoloured);
    this.ends.push(
      () => nearby.disconnect(),
      () => sized.disconnect(),
      () => dark.removeEventListener("change", recoloured),
    );
  }

  private showPicture(): void {
    this.show(this.model ? "ready" : "loading");
    this.state.textContent = this.model ? "" : "Loading …";
    const parts = [this.canvas, this.state, this.pose];
    // A canvas that is put in again loses its focus, so only where another stands there.
    if (parts.some((part) => part.parentElement !== this.frame)) {
      this.frame.replaceChildren(...parts);
      this.endGestures = listen(this.canvas, () => this.orbit);
    }
    this.redraw();
  }

  private load(): void {
    if (this.asked) return;
    this.asked = true;
    acquire(this.head).then(
      (model) => {
        if (this.gone) return;
        this.model = model;
        if (this.element.dataset["state"] === "loading") this.showPicture();
      },
      (error: unknown) => {
        if (!this.gone) this.failed(sentencePart(error));
      },
    );
  }

  private show(state: "loading" | "ready" | "lost" | "error" | "strip"): void {
    this.element.dataset["state"] = state;
    this.frame.setAttribute("aria-busy", String(state === "loading"));
  }
}

/** A foreign message as the end of a sentence. */
function sentencePart(error: unknown): string {
  const message = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").trim();
  return message.slice(0, 160).replace(/\.$/, "") || "its file cannot be read";
}
