// A rater's pair: the question, two heads under one camera, and the answer, sent until it is stored.
import { element } from "./elements";
import { theStage } from "./stage";
import { type MountedHeads, mountHeads } from "./viewer";
import { type Answer, type Sent, answered, forgotten, send, unsent } from "./votes";

/** As `view_of` in view.py writes it. */
export interface PairView {
  pair: string;
  question: string;
  asked: string;
  look: string;
  left: string;
  right: string;
  photos: string[];
  answers: Answer[];
  number: number;
  total: number;
  training: boolean;
  turn: number; // °, of turning before an answer opens
  seconds: number; // likewise, of looking
  next: string[];
}

export interface PairData {
  token: string;
  view: PairView;
}

const HEIGHT = 420; // px
const STEP = Math.PI / 18; // rad of a key
const RELOADS = 20; // times that a head which could not be loaded is asked for again
const RELOAD_AFTER = 1500; // ms
const LABELS: Record<Answer, string> = { left: "Left", tie: "The same", neither: "Neither", right: "Right" };
const SIGNS: Record<Answer, string> = { left: "←", tie: "↓", neither: "↑", right: "→" };
const KEYS: Record<string, Answer> = { ArrowLeft: "left", ArrowDown: "tie", ArrowUp: "neither", ArrowRight: "right" };
const TURNS: Record<string, [number, number]> = { a: [1, 0], d: [-1, 0], w: [0, -1], s: [0, 1] };
const ORDER: Answer[] = ["left", "tie", "neither", "right"];

/** One pair on a page; the next takes its place when it is answered. */
class Pair {
  private readonly root = element("div", "h3d-pair");
  private readonly off = new AbortController();
  private mounted: MountedHeads | undefined;
  private view: PairView;
  private readonly parts = {
    progress: element("progress", "h3d-progress", { max: "1", value: "0", "aria-label": "Pairs answered" }),
    count: element("p", "h3d-count"),
    asked: element("h1", "h3d-asked", { tabindex: "-1" }),
    photos: element("div", "h3d-photos"),
    heads: element("div", "h3d-stage"),
    gate: element("p", "h3d-gate", { role: "status" }),
    meter: element("div", "h3d-meter", { "aria-hidden": "true" }),
    answers: element("div", "h3d-answers", { role: "group", "aria-label": "Answers" }),
    told: element("p", "h3d-told", { role: "status" }),
  };
  private turned = 0; // °
  private last = { azimuth: 0, elevation: 0 };
  private since = 0; // ms, when both heads were there; 0 = not yet
  private seen = false; // whether both heads are drawn: a browser may take WebGL away for a while
  private sending = false;
  private over = false;
  private reloads = 0;
  private ends: (() => void)[] = [];

  constructor(
    parent: Element | ShadowRoot,
    private readonly token: string,
    view: PairView,
    private readonly done: () => void,
  ) {
    this.view = view;
    const { progress, count, asked, photos, heads, gate, meter, answers, told } = this.parts;
    const bar = element("div", "h3d-bar");
    bar.append(progress, count);
    const opening = element("div", "h3d-opening");
    opening.append(gate, meter);
    this.root.append(bar, asked, photos, heads, opening, answers, told);
    parent.append(this.root);
    const options = { capture: true, signal: this.off.signal };
    window.addEventListener("keydown", (event) => this.key(event), options);
    this.show(view);
  }

  /** Streamlit calls with the same pair at every rerun, and with another when it knows better. */
  update(view: PairView): void {
    if (!this.sending && !this.over && view.pair !== this.view.pair && view.number >= this.view.number) this.show(view);
  }

  dispose(): void {
    this.over = true;
    this.off.abort();
    this.unmount();
    this.root.remove();
  }

  private show(view: PairView): void {
    this.view = view;
    this.turned = 0;
    this.sending = false;
    this.reloads = 0;
    const { progress, count, asked, photos, told } = this.parts;
    progress.max = view.total;
    progress.value = Math.max(0, view.number - 1);
    count.textContent = view.training ? "Practice" : `${view.number} of ${view.total}`;
    asked.textContent = view.asked;
    told.textContent = "";
    photos.replaceChildren(
      ...view.photos.map((address, place) =>
        element("img", "h3d-photo", { src: address, alt: `The person, photo ${place + 1} of ${view.photos.length}` }),
      ),
    );
    this.parts.answers.replaceChildren(...ORDER.filter((one) => view.answers.includes(one)).map((one) => this.button(one)));
    this.parts.answers.style.setProperty("--count", String(view.answers.length));
    this.mount();
    for (const address of view.next) void fetch(address, { priority: "low" }).catch(() => undefined);
    // An answer that was given before a reload and never confirmed goes out now.
    const left = unsent(view.pair);
    if (left) void this.answer(left.answer, left.turned);
  }

  private mount(): void {
    this.unmount();
    this.since = 0;
    const { heads } = this.parts;
    const help = "Drag, or A D W S, to turn both heads; pinch, or + and −, for closer and away; 0 to reset";
    const shown = (name: string, glb: string) => ({ name, glb, hash: glb, help });
    const spec = {
      heads: [shown("Left head", this.view.left), shown("Right head", this.view.right)],
      look: this.view.look,
      light: "studio",
      height: HEIGHT,
    };
    const mounted = mountHeads(heads, spec);
    this.mounted = mounted;
    this.last = { azimuth: mounted.orbit.pose.azimuth, elevation: mounted.orbit.pose.elevation };
    const unwatch = mounted.orbit.watch(() => this.moved());
    const states = new MutationObserver(() => this.loaded());
    states.observe(heads, { attributes: true, subtree: true, attributeFilter: ["data-state"] });
    this.ends = [unwatch, () => states.disconnect(), () => mounted.dispose()];
    this.loaded();
  }

  private unmount(): void {
    for (const end of this.ends) end();
    this.ends = [];
    this.parts.heads.replaceChildren();
  }

  private loaded(): void {
    const states = [...this.parts.heads.querySelectorAll<HTMLElement>("[data-state]")].map((one) => one.dataset["state"]);
    this.seen = states.length === 2 && states.every((state) => state === "ready");
    if (this.seen) {
      if (this.since === 0) {
        this.since = performance.now();
        this.turned = 0;
        setTimeout(() => this.gate(), this.view.seconds * 1000 + 20);
      }
    } else if (states.includes("error") && this.reloads < RELOADS && theStage()) {
      this.reloads += 1;
      const { pair } = this.view;
      setTimeout(() => {
        if (!this.over && this.view.pair === pair && this.since === 0) this.mount();
      }, RELOAD_AFTER);
    }
    this.gate();
  }

  private moved(): void {
    const { azimuth, elevation } = this.mounted?.orbit.pose ?? this.last;
    if (this.since > 0 && this.seen) {
      const angle = Math.hypot(azimuth - this.last.azimuth, elevation - this.last.elevation);
      this.turned += (angle * 180) / Math.PI;
    }
    this.last = { azimuth, elevation };
    this.gate();
  }

  private get open(): boolean {
    const looked = this.since > 0 && performance.now() - this.since >= this.view.seconds * 1000;
    return looked && this.seen && this.turned >= this.view.turn && !this.sending;
  }

  private gate(): void {
    const { gate, meter, answers } = this.parts;
    const share = this.view.turn > 0 ? Math.min(1, this.turned / this.view.turn) : 1;
    meter.style.setProperty("--share", String(share));
    meter.hidden = share >= 1;
    let said = "";
    if (this.since === 0) said = "Loading the heads …";
    else if (!this.seen) said = "The browser has stopped 3D; answers open again with it, or after a reload.";
    else if (share < 1) said = "Turn the heads to answer.";
    else if (!this.open && !this.sending) said = "Look a moment longer.";
    if (gate.textContent !== said) gate.textContent = said;
    for (const button of answers.querySelectorAll<HTMLButtonElement>("[data-answer]")) button.disabled = !this.open;
    this.root.dataset["open"] = String(this.open);
  }

  private button(answer: Answer): HTMLButtonElement {
    const button = element("button", "h3d-answer", { type: "button", "data-answer": answer });
    button.append(element("kbd", "h3d-sign", { "aria-hidden": "true" }, SIGNS[answer]), LABELS[answer]);
    button.disabled = true;
    button.addEventListener("click", () => void this.answer(answer, this.turned), { signal: this.off.signal });
    return button;
  }

  private key(event: KeyboardEvent): void {
    const target = event.composedPath()[0];
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
    const turn = TURNS[event.key.toLowerCase()];
    const answer = KEYS[event.key];
    if (turn) this.mounted?.orbit.turn(turn[0] * STEP, turn[1] * STEP);
    else if (answer && this.view.answers.includes(answer)) {
      if (this.open && !event.repeat) void this.answer(answer, this.turned);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private async answer(answer: Answer, turned: number): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    const { pair, question, training } = this.view;
    for (const button of this.parts.answers.querySelectorAll("button"))
      button.dataset["chosen"] = String(button.dataset["answer"] === answer);
    this.gate();
    const vote: Sent = { token: this.token, pair, question, answer, turned: Math.round(turned * 10) / 10 };
    const start = performance.now();
    const stored = await send(vote, (sentence) => (this.parts.told.textContent = sentence));
    if (this.over) return;
    if ("refused" in stored) {
      forgotten(pair);
      this.sending = false;
      this.parts.told.textContent = stored.refused;
      for (const button of this.parts.answers.querySelectorAll("button")) delete button.dataset["chosen"];
      // Another tab, or a reload elsewhere, may be further on: ask where this rater is.
      if (stored.status === 404 || stored.status === 409) this.goOn(await answered(this.token));
      else this.gate();
      return;
    }
    performance.measure("vote", { start }); // from the answer until it is stored
    if (training && stored.right !== undefined) this.tell(stored.right, stored.next);
    else this.goOn(stored.next);
  }

  /** Practice: what would have been right, then on. */
  private tell(right: boolean, next: PairView | null): void {
    const { told, answers } = this.parts;
    told.textContent = right
      ? "Right: the other head is damaged, or another person’s. Most pairs have no right answer; say what you see."
      : "Look again: one of these heads is damaged, or another person’s, and the other is not. Turn them, then go on.";
    const on = element("button", "h3d-answer h3d-on", { type: "button" }, "Go on");
    on.addEventListener("click", () => this.goOn(next), { signal: this.off.signal });
    answers.replaceChildren(on);
    on.focus();
  }

  private goOn(next: PairView | null | undefined): void {
    if (next === undefined || this.over) return this.gate();
    if (next) this.show(next);
    else {
      this.over = true;
      this.parts.told.textContent = "All pairs are answered.";
      this.parts.progress.value = this.parts.progress.max;
      this.parts.answers.replaceChildren();
      this.done();
    }
  }
}

const shown = new WeakMap<Element | ShadowRoot, { pair: Pair; call: number }>();

/** For a page that calls at every rerun with the same parent; returns what takes the pair away. */
export function showPair(parent: Element | ShadowRoot, data: PairData, done: () => void): () => void {
  const known = shown.get(parent);
  known?.pair.update(data.view);
  const here = known ?? { pair: new Pair(parent, data.token, data.view, done), call: 0 };
  shown.set(parent, here);
  const call = ++here.call;
  return () => {
    if (here.call !== call) return;
    shown.delete(parent);
    here.pair.dispose();
  };
}
