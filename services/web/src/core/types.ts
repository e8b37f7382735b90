/**
 * The values that screens are made of. What the API says is taken from the document it gives of itself; what only
 * clients know (a message on its way, the state of the connection) is defined here. All of it is read-only: a change is
 * a new value, and what has not changed keeps its identity.
 */

import type { FieldError, Problem } from "@/api/problem";
import type { components } from "@/api/schema";

export { type FieldError, Problem } from "@/api/problem";

type Schemas = components["schemas"];

/** The person signed in. */
export type Me = Readonly<Schemas["user.Me"]>;
/** A person as others see them. */
export type Person = Readonly<Schemas["UserProfile"]>;
/** A message as the store has it; `seq` is its place in the conversation. Times are RFC 3339 in UTC. */
export type Message = Readonly<Schemas["Message"]>;
/** What a message knows of a file that it carries. */
export type Attachment = Readonly<Schemas["Attachment"]>;
/** A file as the file service knows it. */
export type FileInfo = Readonly<Schemas["File"]>;
export type ThumbnailSize = Schemas["ThumbnailSize"];
export type Member = Readonly<Schemas["Member"]>;
export type MemberRole = Member["role"];
export type Pin = Readonly<Schemas["Pin"]>;
/** How a person appears. */
export type Presence = Readonly<Schemas["Presence"]>;
/** One's own status: what was chosen, and how it appears to others. */
export type MyPresence = Readonly<Schemas["presence.Me"]>;
/** A status as it is set; what is not given is empty from then on. */
export type PresenceSetting = Readonly<Schemas["Setting"]>;
export type Level = Schemas["Level"];
export type NotificationPreferences = Readonly<Schemas["Preferences-Output"]>;
export type Notification = Readonly<Schemas["Notification"]>;

/** Whose page this is. */
export type SessionState =
  | { readonly status: "starting" }
  /** `ended`: it was over without the person's doing (revoked elsewhere, expired). */
  | { readonly status: "signed-out"; readonly ended: boolean }
  | { readonly status: "signed-in"; readonly me: Me };

/** What a sign-in takes; `totp` is a code of the second factor or a recovery code (problem `totp_required` asks for it). */
export interface Credentials {
  readonly login: string;
  readonly password: string;
  readonly totp?: string;
}

export interface Registration {
  readonly username: string;
  readonly email: string;
  readonly password: string;
  readonly display_name?: string;
}

/**
 * The truth about the connection. `connecting`: the first one, or the one after a pause of the page. `online`: messages
 * come and go. `reconnecting`: it was lost and is tried again, at `retryAt` or now. `offline`: the device has no network.
 */
export interface ConnectionState {
  readonly status: "connecting" | "online" | "reconnecting" | "offline";
  /** When the next try begins, in ms since the epoch; null while one is on its way. */
  readonly retryAt: number | null;
  /** When this status began, in ms since the epoch. */
  readonly since: number;
}

/** A conversation with what is the caller's own. `unread` and `mentions` follow what arrives and what is read. */
export interface Conversation extends Readonly<Omit<Schemas["OwnConversation"], "members" | "pins">> {
  readonly members: readonly Member[];
  readonly pins: readonly Pin[];
  /** The newest message, where it is known. */
  readonly last: Message | null;
}

/** A conversation's timeline, or that of one of its threads: `threadRoot` is the id of the message answered. */
export interface Place {
  readonly conversationId: string;
  readonly threadRoot?: string | null;
}

/** A message that the store does not have yet. It keeps its `client_id` until it is sent or given up. */
export interface Outgoing {
  readonly client_id: string;
  readonly conversation_id: string;
  readonly thread_root: string | null;
  readonly body: string;
  readonly attachments: readonly Attachment[];
  readonly created_at: string;
  /** `waiting` for the connection or its turn; `sending`; `failed`: refused for good, the person decides. */
  readonly state: "waiting" | "sending" | "failed";
  /** Why it was refused. */
  readonly problem: Refusal | null;
}

/** A problem as it is kept over reloads. */
export interface Refusal {
  readonly code: string;
  readonly detail: string;
  readonly errors: readonly FieldError[] | null;
}

/** One row of a timeline. `key` stays the same when an outgoing message becomes one of the store's. */
export type TimelineItem =
  | { readonly kind: "message"; readonly key: string; readonly message: Message; readonly own: boolean }
  | { readonly kind: "outgoing"; readonly key: string; readonly outgoing: Outgoing };

/** Where a timeline asks to be scrolled to after a jump; `turn` differs with each jump. */
export interface Focus {
  readonly turn: number;
  /** The message of this `seq`, or the newest one before it where it is not shown; null: the newest of all. */
  readonly seq: number | null;
  readonly reason: "message" | "unread" | "newest";
}

/** A window of a conversation or a thread, in order of `seq`. Replies are shown in their threads alone. */
export interface Timeline {
  readonly status: "loading" | "ready" | "failed";
  /** Why it could not be loaded; `not_found` to whoever is no member. */
  readonly problem: Problem | null;
  readonly items: readonly TimelineItem[];
  readonly hasOlder: boolean;
  /** Whether newer messages exist that are not loaded: outgoing ones are then left out, and new ones do not appear. */
  readonly hasNewer: boolean;
  readonly loadingOlder: boolean;
  readonly loadingNewer: boolean;
  /** The newest `seq` of the window, replies and deleted ones counted; 0 when it is empty. */
  readonly newestSeq: number;
  /** The read mark as it stood when the timeline was opened: the new-messages line is after it. */
  readonly readWhenOpened: number | null;
  /** Threads only: the message that is answered. */
  readonly root: Message | null;
  readonly focus: Focus | null;
}

/** A file on its way to the server, or one that has arrived and waits to be sent. */
export interface Upload {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly contentType: string;
  readonly sent: number;
  readonly state: "waiting" | "uploading" | "done" | "failed";
  /** With `done`. */
  readonly file: FileInfo | null;
  /** With `failed`. */
  readonly problem: Problem | null;
  /** The chosen file itself, for a preview. */
  readonly source: File;
}

/** What a search looks for. Times are RFC 3339; `from` is a person's id. */
export interface SearchFilters {
  readonly query: string;
  readonly conversationId?: string | null;
  readonly from?: string | null;
  readonly before?: string | null;
  readonly after?: string | null;
  readonly hasFile?: boolean;
}

/** A person's choice for one conversation; null follows the default. `mutedUntil` is RFC 3339. */
export interface ConversationNotifications {
  readonly level: Level | null;
  readonly mutedUntil: string | null;
}
