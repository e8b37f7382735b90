/**
 * A refresh token is good once, and a second use of it ends the session. A browser uses one twice without meaning to: two
 * tabs at one moment, or a page that is left before the answer has come. So the answer to a token is remembered for a
 * moment, and whoever comes again with it is given the same.
 */

import { createHash } from "node:crypto";

const REMEMBERED_MS = 30_000;
const MOST = 10_000;

export class Rotations<T> {
  readonly #answers = new Map<string, Promise<T>>();

  /** What `rotate` gives for this token, asked for at most once a moment. A rejection is not remembered. */
  of(token: string, rotate: () => Promise<T>): Promise<T> {
    // Not the token itself: a heap that somebody reads holds no more of them than it must.
    const key = createHash("sha256").update(token).digest("base64");
    const known = this.#answers.get(key);
    if (known) return known;
    const answer = rotate();
    this.#answers.set(key, answer);
    const forget = () => this.#answers.delete(key);
    answer.then(() => setTimeout(forget, REMEMBERED_MS).unref(), forget);
    const oldest = this.#answers.keys().next().value;
    if (this.#answers.size > MOST && oldest) this.#answers.delete(oldest);
    return answer;
  }
}
