// Answers on their way to the study: kept in the browser until the server says that they are stored.
import type { PairView } from "./pair";

export type Answer = "left" | "right" | "tie" | "neither";

export interface Sent {
  token: string;
  pair: string;
  question: string;
  answer: Answer;
  turned: number; // °
}

export type Stored =
  | { answer: Answer; new: boolean; right?: boolean; next: PairView | null }
  | { refused: string; status: number };

const WAITS = [200, 400, 800, 1500, 3000]; // ms between attempts, the last again and again
const ONCE_MORE = new Set([408, 429, 500, 502, 503, 504]); // statuses after which the same answer is sent again

/** Sends an answer until it is stored or refused; sending it twice stores it once. */
export async function send(vote: Sent, tell: (sentence: string) => void): Promise<Stored> {
  keep(vote);
  for (let attempt = 0; ; attempt++) {
    try {
      const response = await post("vote", vote);
      const told: unknown = await response.json().catch(() => ({}));
      if (response.ok) {
        forgotten(vote.pair);
        tell("");
        return told as Stored;
      }
      if (!ONCE_MORE.has(response.status)) {
        const refused = (told as { refused?: unknown }).refused;
        return { refused: typeof refused === "string" ? refused : "The answer was refused.", status: response.status };
      }
    } catch {
      // No server: it is asked again.
    }
    if (attempt > 0) tell("Your answer is kept here and sent again until the server has stored it …");
    await new Promise((go) => setTimeout(go, WAITS[Math.min(attempt, WAITS.length - 1)]));
  }
}

/** Where a rater is: null when all is answered, undefined when the server does not say. */
export async function answered(token: string): Promise<PairView | null | undefined> {
  try {
    const response = await post("next", { token });
    return response.ok ? ((await response.json()) as { next: PairView | null }).next : undefined;
  } catch {
    return undefined;
  }
}

/** An answer that was given here and not confirmed. */
export function unsent(pair: string): { answer: Answer; turned: number } | undefined {
  try {
    return JSON.parse(localStorage.getItem(`vote:${pair}`) ?? "null") ?? undefined;
  } catch {
    return undefined; // no storage in this browser, or something else wrote into it
  }
}

export function forgotten(pair: string): void {
  try {
    localStorage.removeItem(`vote:${pair}`);
  } catch {
    // No storage: nothing was kept.
  }
}

function keep({ pair, answer, turned }: Sent): void {
  try {
    localStorage.setItem(`vote:${pair}`, JSON.stringify({ answer, turned }));
  } catch {
    // No storage: a reload before the answer is stored asks for it again.
  }
}

function post(name: string, content: unknown): Promise<Response> {
  return fetch(`/study/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content),
    signal: AbortSignal.timeout(15000),
    keepalive: true,
  });
}
