/**
 * What is written and not yet stored. Each message keeps its `client_id` until the store has it, so that sending it
 * again is safe: over lost answers, reloads, days offline, and from any tab. The messages of a conversation are sent one
 * after the other. What is refused for good stays visible until the person decides.
 */

import { createStore } from "zustand/vanilla";
import { Problem } from "@/api/problem";
import { backoff, pause } from "./backoff";
import { uuid } from "./ids";
import type { Queued, Shelf } from "./shelf";
import { Channel, exclusively } from "./tabs";
import type { Attachment, Message, Outgoing, Place, Refusal } from "./types";
import type { SendPayload } from "./wire";

/** While there is a connection somebody looks at the message: it is tried more often than a connection is. */
const LONGEST_MS = 5_000;

export interface SendContent {
  readonly body: string;
  readonly attachments?: readonly Attachment[];
}

export interface OutboxState {
  /** In the order they were written. */
  readonly entries: readonly Outgoing[];
}

export interface Sender {
  /** Whether it is worth trying. */
  readonly online: boolean;
  /** Resolves with the message that the store has; rejects with a Problem. */
  send(payload: SendPayload): Promise<Message>;
  /** Shows what was stored. */
  take(message: Message): Promise<void>;
}

export class Outbox {
  readonly store = createStore<OutboxState>(() => ({ entries: [] }));
  readonly #name: string;
  readonly #sender: Sender;
  readonly #shelf: Promise<Shelf<Queued>>;
  readonly #channel: Channel<"changed">;
  readonly #running = new AbortController();
  /** Conversations whose messages this tab is sending. */
  readonly #draining = new Set<string>();
  /** Ends the waits after faults of the network. */
  #wake = new AbortController();
  /** What the device refused to keep: it lives as long as the page. */
  readonly #unkept = new Set<string>();
  #entries: readonly Queued[] = [];
  #written: Promise<void> = Promise.resolve();

  /** `userId` tells the outboxes of several people on one device apart. */
  constructor(userId: string, shelf: Promise<Shelf<Queued>>, sender: Sender) {
    this.#name = `chat-outbox-${userId}`;
    this.#shelf = shelf;
    this.#sender = sender;
    this.#channel = new Channel(this.#name, () => void this.#reload());
  }

  /** Takes up what an earlier page left unsent. */
  async start(): Promise<void> {
    await this.#reload();
  }

  stop(): void {
    this.#running.abort();
    this.#channel.close();
  }

  /** Shows a message and sends it when it can. Gives its `client_id`. */
  add({ conversationId, threadRoot = null }: Place, { body, attachments = [] }: SendContent): string {
    const now = Date.now();
    const entry: Queued = {
      client_id: uuid(),
      conversation_id: conversationId,
      thread_root: threadRoot,
      body,
      attachments,
      created_at: new Date(now).toISOString(),
      state: "waiting",
      problem: null,
      order: Math.max(now, (this.#entries.at(-1)?.order ?? 0) + 1),
    };
    this.#show([...this.#entries, entry]);
    this.#keep(entry);
    this.drain(conversationId);
    return entry.client_id;
  }

  /** Sends one that was refused once more. */
  retry(clientId: string): void {
    const entry = this.#entries.find((other) => other.client_id === clientId);
    if (entry?.state !== "failed") return;
    this.#set({ ...entry, state: "waiting", problem: null });
    this.drain(entry.conversation_id);
  }

  /** Gives one up. One that is being sent may have been stored already: it then arrives as any other. */
  discard(clientId: string): void {
    this.#show(this.#entries.filter((entry) => entry.client_id !== clientId));
    this.#write((shelf) => shelf.remove(clientId));
  }

  /** Sends what waits, in one conversation or in all. */
  drain(conversationId?: string): void {
    const waiting = this.#entries.filter((entry) => entry.state !== "failed").map((entry) => entry.conversation_id);
    for (const id of new Set(conversationId ? [conversationId] : waiting)) void this.#drain(id);
  }

  /** A connection stands again: what failed for want of one is not waited for any longer. */
  connected(): void {
    this.#wake.abort();
    this.#wake = new AbortController();
    this.drain();
  }

  async #drain(conversationId: string): Promise<void> {
    if (this.#draining.has(conversationId)) return;
    this.#draining.add(conversationId);
    const { signal } = this.#running;
    try {
      for (let failures = 0; this.#sender.online && !signal.aborted; ) {
        const result = await exclusively(`${this.#name}-${conversationId}`, () => this.#sendNext(conversationId));
        if (result === "empty") return;
        if (result === "done") failures = 0;
        else {
          failures += 1;
          const { retryAfterMs } = result;
          // What the server asks for is waited for in any case.
          if (retryAfterMs !== null) await pause(retryAfterMs, signal);
          else await pause(Math.min(backoff(failures), LONGEST_MS), AbortSignal.any([signal, this.#wake.signal]));
        }
      }
    } finally {
      this.#draining.delete(conversationId);
      // What was added while this was ending.
      if (this.#sender.online && !signal.aborted && this.#next(conversationId)) this.drain(conversationId);
    }
  }

  /** Sends the first that waits. Another tab may have done so: what is on the shelf counts. */
  async #sendNext(conversationId: string): Promise<"empty" | "done" | Problem> {
    await this.#written;
    const entry = this.#next(conversationId);
    if (!entry) return "empty";
    if (!this.#unkept.has(entry.client_id) && !(await (await this.#shelf).get(entry.client_id))) {
      this.#show(this.#entries.filter((other) => other.client_id !== entry.client_id));
      return "done";
    }
    this.#replace({ ...entry, state: "sending" });
    try {
      const message = await this.#sender.send(payloadOf(entry));
      await this.#sender.take(message);
      this.discard(entry.client_id);
      await this.#written;
      return "done";
    } catch (error) {
      const problem = Problem.from(error);
      const now = this.#entries.find((other) => other.client_id === entry.client_id);
      if (!now) return "done";
      if (problem.passing) {
        this.#replace({ ...now, state: "waiting" });
        return problem;
      }
      this.#set({ ...now, state: "failed", problem: refusalOf(problem) });
      return "done";
    }
  }

  #next(conversationId: string): Queued | undefined {
    return this.#entries.find((entry) => entry.conversation_id === conversationId && entry.state !== "failed");
  }

  #set(entry: Queued): void {
    this.#replace(entry);
    this.#keep(entry);
  }

  #replace(entry: Queued): void {
    this.#show(this.#entries.map((other) => (other.client_id === entry.client_id ? entry : other)));
  }

  #show(entries: readonly Queued[]): void {
    this.#entries = entries;
    this.store.setState({ entries }, true);
  }

  #keep(entry: Queued): void {
    this.#write((shelf) =>
      shelf.put(entry.client_id, entry).catch(() => {
        this.#unkept.add(entry.client_id);
      }),
    );
  }

  /** One write after the other; other tabs are told of each. */
  #write(change: (shelf: Shelf<Queued>) => Promise<void>): void {
    this.#written = this.#written
      .then(async () => change(await this.#shelf))
      .catch(() => undefined)
      .then(() => {
        if (!this.#running.signal.aborted) this.#channel.say("changed");
      });
  }

  /** Shows what is on the shelf, which other tabs change too. */
  async #reload(): Promise<void> {
    const shelf = await this.#shelf;
    let stored: readonly Queued[];
    let written: Promise<void>;
    do {
      written = this.#written;
      await written;
      stored = await shelf.all();
      // What was written in the meantime may not be in there.
    } while (written !== this.#written);
    if (this.#running.signal.aborted) return;
    const mine = this.#entries.filter((entry) => this.#unkept.has(entry.client_id));
    const sending = new Set(this.#entries.filter((entry) => entry.state === "sending").map((entry) => entry.client_id));
    const all = [...stored, ...mine].sort((a, b) => a.order - b.order);
    this.#show(all.map((entry) => (sending.has(entry.client_id) ? { ...entry, state: "sending" } : entry)));
    this.drain();
  }
}

function payloadOf(entry: Queued): SendPayload {
  const { conversation_id, client_id, body, thread_root, attachments } = entry;
  return { conversation_id, client_id, body, thread_root, attachments: attachments.map(({ id }) => id) };
}

function refusalOf({ code, detail, errors }: Problem): Refusal {
  return { code, detail, errors };
}
