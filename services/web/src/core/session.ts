/**
 * Who is signed in, and the access token of this tab. The refresh token is in a cookie that no script can read: the web
 * server's `/session` changes it for access tokens. A refresh token is good once, so tabs take turns; whoever comes
 * second is given the access token that the first was.
 */

import { createStore } from "zustand/vanilla";
import { type Api, createApi, ok, type TokenSource } from "@/api/client";
import { Problem } from "@/api/problem";
import { backoff, pause } from "./backoff";
import { Channel, exclusively } from "./tabs";
import type { Credentials, Me, Registration, SessionState } from "./types";

/** What the web server answers: no refresh token. */
interface Access {
  readonly access_token: string;
  /** Seconds that it is good for. */
  readonly expires_in: number;
}

interface Token {
  readonly text: string;
  /** In ms since the epoch. */
  readonly goodUntil: number;
}

/** A token is changed so long before its end: calls on their way still arrive, and clocks differ. */
const MARGIN_MS = 60_000;
const ANSWER_MS = 20_000;
const LOCK = "chat-session";

type Word = "signed-in" | "signed-out";

export class Session implements TokenSource {
  readonly store = createStore<SessionState>(() => ({ status: "starting" }));
  readonly api: Api;
  readonly #origin: string;
  #token: Token | null = null;
  #refused: string | null = null;
  #refreshing: Promise<string | null> | null = null;
  #channel: Channel<Word> | null = null;
  #running = new AbortController();

  constructor(origin = "") {
    this.#origin = origin;
    this.api = createApi(this, origin);
  }

  /** Finds out who is signed in; tries until there is an answer. */
  start(): void {
    this.#running = new AbortController();
    this.#channel = new Channel<Word>(LOCK, (word) => {
      if (word === "signed-out") this.#ended(false);
      else if (this.store.getState().status === "signed-out") this.#begin();
    });
    if (this.store.getState().status === "starting") this.#begin();
  }

  stop(): void {
    this.#running.abort();
    this.#channel?.close();
    this.#channel = null;
  }

  async token(): Promise<string | null> {
    if (this.#token && Date.now() < this.#token.goodUntil) return this.#token.text;
    if (this.store.getState().status === "signed-out") return null;
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  refused(token: string): void {
    if (this.#token?.text !== token) return;
    this.#refused = token;
    this.#token = null;
  }

  async signIn(credentials: Credentials): Promise<void> {
    await this.#open(credentials);
  }

  async register(registration: Registration): Promise<void> {
    await this.#open(registration);
  }

  /** Sets a new password by a mailed token. Every session has ended then, and this device is a known one. */
  async resetPassword(token: string, newPassword: string): Promise<void> {
    await exclusively(LOCK, () => this.#call("POST", "/session/reset", { token, new_password: newPassword }));
    this.#channel?.say("signed-out");
    this.#ended(false);
  }

  async signOut(): Promise<void> {
    await exclusively(LOCK, () => this.#call("DELETE", "/session"));
    this.#channel?.say("signed-out");
    this.#ended(false);
  }

  async reload(): Promise<void> {
    // A role that has changed (the address was confirmed) is in no token made before.
    if (this.#token) this.refused(this.#token.text);
    this.store.setState({ status: "signed-in", me: await ok(this.api.GET("/api/v1/users/me")) }, true);
  }

  async #open(body: Credentials | Registration): Promise<void> {
    const answer = await exclusively(LOCK, () => this.#call<Access & { user: Me }>("POST", "/session", body));
    this.#keep(answer);
    this.store.setState({ status: "signed-in", me: answer.user }, true);
    this.#channel?.say("signed-in");
  }

  async #begin(): Promise<void> {
    this.store.setState({ status: "starting" }, true);
    const { signal } = this.#running;
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        if (!(await this.token())) return;
        const me = await ok(this.api.GET("/api/v1/users/me", { signal }));
        if (this.store.getState().status === "starting") this.store.setState({ status: "signed-in", me }, true);
        return;
      } catch (error) {
        if (!Problem.from(error).passing) return this.#ended(true);
        await pause(Problem.from(error).retryAfterMs ?? backoff(failures), signal);
      }
    }
  }

  async #refresh(): Promise<string | null> {
    try {
      const refused = this.#refused;
      const answer = await exclusively(LOCK, () => this.#call<Access>("POST", "/session/refresh", { refused }));
      return this.#keep(answer).text;
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error;
      this.#ended(this.store.getState().status === "signed-in");
      return null;
    }
  }

  #keep({ access_token, expires_in }: Access): Token {
    this.#refused = null;
    this.#token = { text: access_token, goodUntil: Date.now() + expires_in * 1_000 - MARGIN_MS };
    return this.#token;
  }

  #ended(ended: boolean): void {
    this.#token = null;
    this.#refused = null;
    if (this.store.getState().status !== "signed-out") this.store.setState({ status: "signed-out", ended }, true);
  }

  async #call<T>(method: "POST" | "DELETE", path: string, body?: unknown): Promise<T> {
    let response: Response;
    try {
      response = await fetch(this.#origin + path, {
        method,
        headers: { "Content-Type": "application/json" },
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
    } catch (error) {
      throw Problem.from(error);
    }
    if (!response.ok) throw await Problem.of(response);
    return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
  }
}
