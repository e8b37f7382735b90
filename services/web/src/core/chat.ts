/** The live part for one person: two connections and everything that lives by them, wired together. */

import { ok } from "@/api/client";
import { type MessageActions, messageActions } from "./changes";
import { Connection } from "./connection";
import { Conversations } from "./conversations";
import { Drafts } from "./drafts";
import { Favourites } from "./favourites";
import { Files } from "./files";
import { Link } from "./link";
import { ReadMarks } from "./marks";
import { Outbox } from "./outbox";
import { Presence } from "./presence";
import { Reads } from "./reads";
import type { Session } from "./session";
import { openShelves, removeShelves } from "./shelf";
import { Sync } from "./sync";
import { Timelines } from "./timelines";
import type { Me, Message } from "./types";
import { Typing } from "./typing";
import { Uploads } from "./uploads";
import type { MessageEvents, MessageRequests, PresenceEvents, PresenceRequests } from "./wire";

export class Chat {
  readonly me: Me;
  readonly connection: Connection;
  readonly conversations: Conversations;
  readonly timelines: Timelines;
  readonly outbox: Outbox;
  readonly marks: ReadMarks;
  readonly reads: Reads;
  readonly drafts: Drafts;
  readonly presence: Presence;
  readonly typing: Typing;
  readonly uploads: Uploads;
  readonly files: Files;
  readonly favourites: Favourites;
  readonly changes: MessageActions;
  readonly #messages: Link<MessageEvents, MessageRequests>;
  readonly #presences: Link<PresenceEvents, PresenceRequests>;
  readonly #sync: Sync;
  readonly #shelves: ReturnType<typeof openShelves>;

  constructor(me: Me, session: Session, origin = "") {
    const { api } = session;
    this.me = me;
    this.#messages = new Link(session, "/socket.io/", origin);
    this.#presences = new Link(session, "/presence/socket.io/", origin);
    this.#shelves = openShelves(me.id);
    this.connection = new Connection(this.#messages);
    this.conversations = new Conversations(api, me.id);
    this.timelines = new Timelines(api, (id) => this.conversations.readSeq(id));
    this.reads = new Reads(api);
    this.favourites = new Favourites(me.id);
    this.files = new Files(session, origin);
    this.uploads = new Uploads(session, api, origin);
    this.typing = new Typing(this.#presences, me.id);
    this.presence = new Presence(this.#presences, () => ok(api.GET("/api/v1/presence/me")));
    this.changes = messageActions(api, (message) => this.#take(message));
    this.drafts = new Drafts(
      me.id,
      this.#shelves.then((shelves) => shelves.drafts),
    );
    this.outbox = this.#newOutbox();
    this.marks = this.#newMarks();
    this.#sync = this.#newSync();
    this.#listen();
  }

  start(): void {
    this.favourites.start();
    this.connection.start();
    this.presence.start();
    void this.drafts.start();
    void this.outbox.start();
    this.#messages.start();
    this.#presences.start();
  }

  /** Ends all of it. What is unsent stays on the device unless `forget` says that the person signed out. */
  async stop({ forget = false } = {}): Promise<void> {
    this.typing.stop();
    for (const part of [this.connection, this.presence, this.favourites, this.outbox, this.marks]) part.stop();
    for (const part of [this.#sync, this.timelines, this.uploads, this.files, this.drafts]) part.stop();
    this.#messages.stop();
    this.#presences.stop();
    (await this.#shelves).close();
    if (forget) await removeShelves(this.me.id);
  }

  #newOutbox(): Outbox {
    const link = this.#messages;
    const shelf = this.#shelves.then((shelves) => shelves.outbox);
    return new Outbox(this.me.id, shelf, {
      get online() {
        return link.online;
      },
      send: async (payload) => (await link.request("message:send", payload)).message,
      take: (message) => this.#take(message),
    });
  }

  #newMarks(): ReadMarks {
    const link = this.#messages;
    return new ReadMarks({
      get online() {
        return link.online;
      },
      send: async (conversation_id, seq) => (await link.request("read:mark", { conversation_id, seq })).seq,
      readSeq: (id) => this.conversations.readSeq(id),
      moved: (id, seq) => this.conversations.read(id, seq),
      // A count that fails is asked for with the next mark.
      stored: (id) => void this.conversations.count(id).catch(() => undefined),
    });
  }

  #newSync(): Sync {
    const link = this.#messages;
    return new Sync({
      get online() {
        return link.online;
      },
      request: (payload) => link.request("sync", payload),
      loadConversations: () => this.conversations.load(),
      conversations: () => this.conversations.store.getState().sorted,
      positions: () => this.timelines.positions(),
      take: (message) => void this.#take(message),
      leap: (id, seq) => this.timelines.leap(id, seq),
      reset: (id) => this.timelines.reset(id),
    });
  }

  #listen(): void {
    const link = this.#messages;
    for (const event of ["message:new", "message:updated", "message:deleted"] as const) {
      link.on(event, (message) => void this.#take(message));
    }
    link.on("reaction:changed", (change) => this.timelines.react(change));
    link.on("read:changed", (change) => {
      if (change.user_id === this.me.id) this.conversations.read(change.conversation_id, change.seq);
      else this.reads.take(change);
    });
    link.on("conversation:changed", ({ conversation_id, conversation }) => {
      if (!conversation) {
        this.conversations.forget(conversation_id);
        this.timelines.forget(conversation_id);
      } else if (!this.conversations.change(conversation)) {
        // New to the person: what is their own of it is asked for.
        void this.conversations.fetch(conversation_id).catch(() => void this.#sync.run());
      }
    });
    link.on("server:resync", () => void this.#catchUp());
    link.onConnect(() => {
      this.outbox.connected();
      void this.#catchUp();
    });
  }

  async #catchUp(): Promise<void> {
    this.marks.flush();
    this.reads.reload();
    this.timelines.retry();
    await this.#sync.run();
  }

  #take(message: Message): Promise<void> {
    this.conversations.take(message);
    return this.timelines.take(message);
  }
}
