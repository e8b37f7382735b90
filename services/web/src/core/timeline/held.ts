/**
 * What is known of one message. Versions come in any order and more than once: by events, pages and `sync`. Two of them
 * are joined into what both know together, which is the same in whatever order: the content of the higher revision, and
 * the reactions of the higher revision, for reactions are also told alone.
 */

import type { Message } from "../types";
import type { ReactionChange, Reactions } from "../wire";

export interface Held {
  readonly seq: number;
  /** The message as it is shown; null while only reactions to it are known. */
  readonly message: Message | null;
  /** The revision that all but the reactions are of. */
  readonly contentAt: number;
  readonly reactions: Reactions;
  /** The revision that the reactions are of. */
  readonly reactionsAt: number;
}

/** A message that is known. */
export interface Known extends Held {
  readonly message: Message;
}

export function held(message: Message): Known {
  const { seq, reactions, revision } = message;
  return { seq, message, contentAt: revision, reactions, reactionsAt: revision };
}

export function heldReactions({ seq, reactions, revision }: ReactionChange): Held {
  return { seq, message: null, contentAt: -1, reactions, reactionsAt: revision };
}

/** What two versions of one message know together; `a` itself where `b` adds nothing. */
export function join(a: Known, b: Held): Known;
export function join(a: Held, b: Held): Held;
export function join(a: Held, b: Held): Held {
  const content = b.contentAt > a.contentAt ? b : a;
  const reacted = b.reactionsAt > a.reactionsAt ? b : a;
  if (content === a && reacted === a) return a;
  const { reactions, reactionsAt } = reacted;
  const { contentAt } = content;
  const message = content.message && {
    ...content.message,
    reactions: reactionsAt > contentAt ? reactions : content.message.reactions,
    revision: Math.max(contentAt, reactionsAt),
  };
  return { seq: a.seq, message, contentAt, reactions, reactionsAt };
}
