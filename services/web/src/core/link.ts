/**
 * One Socket.IO connection that is kept: tried again with growing waits after it was lost, with a fresh token when that
 * has expired, elsewhere when the server goes away, and anew when nothing is acknowledged any more.
 */

import { io, type Socket } from "socket.io-client";
import { createStore } from "zustand/vanilla";
import type { TokenSource } from "@/api/client";
import { Problem, type ProblemDocument } from "@/api/problem";
import { backoff } from "./backoff";
import type { Ack, ServiceEvents } from "./wire";

/** A service to which nothing is acknowledged for so long is connected to anew. */
const SILENCE_MS = 10_000;

export interface LinkState {
  readonly status: "stopped" | "connecting" | "online" | "waiting";
  /** With `waiting`: when the next try begins, in ms since the epoch. */
  readonly retryAt: number | null;
  /** When this status began, in ms since the epoch. */
  readonly since: number;
}

// biome-ignore lint/suspicious/noExplicitAny: any payload and answer; `Requests` says which.
type Requests = object & Record<keyof any, any>;
type Payload<R, E extends keyof R> = R[E] extends (payload: infer P, ...rest: never[]) => void ? P : never;
type Answer<R, E extends keyof R> = R[E] extends (payload: never, acknowledge: (answer: Ack<infer A>) => void) => void
  ? A
  : never;

export class Link<Events extends ServiceEvents, R extends Requests> {
  readonly store = createStore<LinkState>(() => ({ status: "stopped", retryAt: null, since: Date.now() }));
  readonly #socket: Socket;
  readonly #tokens: TokenSource;
  readonly #silenceMs: number;
  #token: string | null = null;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastAck = 0;
  /** Whether the socket is closed only to be opened again. */
  #replacing = false;

  /** `silenceMs` is how long an answer is waited for. */
  constructor(tokens: TokenSource, path: string, origin = "", silenceMs = SILENCE_MS) {
    this.#tokens = tokens;
    this.#silenceMs = silenceMs;
    this.#socket = io(origin || undefined, {
      path,
      auth: (give) => void this.#introduce(give),
      // A WebSocket first: most networks let it pass, and polling needs more of everybody.
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      timeout: silenceMs,
      // When to try again is decided here.
      reconnection: false,
      autoConnect: false,
      forceNew: true,
    });
    this.#socket.on("connect", () => {
      this.#failures = 0;
      this.#enter("online");
    });
    this.#socket.on("connect_error", ({ data }: Error & { data?: Partial<ProblemDocument> }) => {
      if (data?.code === "unauthorized") this.#refuseToken();
      this.#lost(data?.retry_after_ms);
    });
    this.#socket.on("disconnect", () => {
      if (!this.#replacing) this.#lost(null);
    });
    this.#socket.on("auth:expired", () => this.#renew());
    this.#socket.on("server:draining", ({ retry_after_ms }: { retry_after_ms: number }) => this.#move(retry_after_ms));
  }

  /** Calls `listener` for each event of that name. */
  on<E extends keyof Events & string>(event: E, listener: Events[E]): void {
    // The library's types of reserved events stand in the way of a name that is not known.
    this.#socket.on<string>(event, listener as never);
  }

  start(): void {
    if (this.store.getState().status === "stopped") this.#connect();
  }

  stop(): void {
    this.#enter("stopped");
    clearTimeout(this.#timer);
    this.#socket.disconnect();
  }

  /** Tries now where the next try is waited for. */
  readonly retryNow = (): void => {
    if (this.store.getState().status === "waiting") this.#connect();
  };

  get online(): boolean {
    return this.store.getState().status === "online";
  }

  /** Calls `listener` each time a connection stands. */
  onConnect(listener: () => void): () => void {
    return this.store.subscribe(({ status }, before) => {
      if (status === "online" && before.status !== "online") listener();
    });
  }

  /**
   * Sends a request and gives its answer. Rejects with the Problem that the service answers with, with `network` where
   * there is no connection, and with `timeout` where the answer stays out: then nobody knows whether it took effect.
   */
  async request<E extends keyof R & string>(event: E, payload: Payload<R, E>): Promise<Answer<R, E>> {
    const socket = this.#socket;
    if (!this.online) throw Problem.unanswered("network");
    const id = socket.id;
    const sent = Date.now();
    let ack: Ack<Answer<R, E>>;
    try {
      ack = await socket.timeout(this.#silenceMs).emitWithAck(event, payload);
    } catch (cause) {
      if (socket.id !== id || !socket.connected) throw Problem.unanswered("network", cause);
      if (this.#lastAck < sent) this.#anew();
      throw Problem.unanswered("timeout", cause);
    }
    this.#lastAck = Date.now();
    if (!ack.ok) throw new Problem(ack.error);
    return ack;
  }

  #connect(): void {
    clearTimeout(this.#timer);
    this.#enter("connecting");
    this.#socket.connect();
  }

  #enter(status: LinkState["status"], retryAt: number | null = null): void {
    const before = this.store.getState();
    if (before.status === status && before.retryAt === retryAt) return;
    this.store.setState({ status, retryAt, since: before.status === status ? before.since : Date.now() }, true);
  }

  /** Waits and tries again; `after` is what the server asked for, in ms. */
  #lost(after: number | null | undefined): void {
    const { status } = this.store.getState();
    if (status === "stopped" || status === "waiting") return;
    this.#failures += 1;
    const wait = after ?? backoff(this.#failures);
    this.#enter("waiting", Date.now() + wait);
    this.#socket.disconnect();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  /** Gives the handshake its token. */
  async #introduce(give: (auth: { token: string }) => void): Promise<void> {
    try {
      this.#token = await this.#tokens.token();
    } catch (error) {
      return this.#lost(Problem.from(error).retryAfterMs);
    }
    if (this.#token === null) this.stop();
    else if (this.store.getState().status === "connecting") give({ token: this.#token });
  }

  #refuseToken(): void {
    if (this.#token) this.#tokens.refused(this.#token);
  }

  /** The token has expired: a fresh one is at hand within a moment. */
  #renew(): void {
    this.#refuseToken();
    this.#anew();
  }

  /** The server goes away: connects elsewhere when it says so. */
  #move(after: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#anew(), after);
  }

  /** Another connection at once: nothing is wrong with the network. */
  #anew(): void {
    if (!this.online) return;
    this.#replacing = true;
    this.#socket.disconnect();
    this.#replacing = false;
    this.#connect();
  }
}
