"use client";

import { clsx } from "clsx";
import { memo, useState } from "react";
import { useTranslations } from "use-intl";
import { useMe } from "@/core/react";
import type { Message, TimelineItem } from "@/core/types";
import { useMoments } from "../common/moments";
import { openOverlay } from "../common/overlay";
import { plainText } from "../markdown/parse";
import { PersonAvatar, usePersonName } from "../people/person-avatar";
import { EditForm } from "./edit-form";
import { MessageBody } from "./message-body";
import { MessageToolbar } from "./message-toolbar";
import { OutgoingRow } from "./outgoing-row";
import { Reactions } from "./reactions";
import { ThreadLink } from "./thread-link";

export interface MessageRowProps {
  item: TimelineItem;
  leads: boolean;
  inThread: boolean;
  editing: boolean;
  onEdit: (key: string | null) => void;
  /** Changes with each jump to this message. */
  pointedOut: number | null;
  focusable: boolean;
  onFocus: (key: string) => void;
}

/** One message: by whom, what, and what others did with it. */
export const MessageRow = memo(function MessageRow(props: MessageRowProps) {
  const { item } = props;
  if (item.kind === "outgoing") {
    return <OutgoingRow outgoing={item.outgoing} rowKey={item.key} leads={props.leads} focusable={props.focusable} />;
  }
  return <SentRow {...props} message={item.message} />;
});

function SentRow({ message, item, leads, pointedOut, ...props }: MessageRowProps & { message: Message }) {
  const t = useTranslations("message");
  const me = useMe().id;
  const { clock, full } = useMoments();
  const name = usePersonName(message.sender_id);
  const [near, setNear] = useState(false);
  const deleted = Boolean(message.deleted_at);
  const mentionsMe = message.mentions.includes(me) || (message.mentions_all && message.sender_id !== me);
  const text = deleted ? t(message.deletion === "sender" ? "deleted" : (message.deletion ?? "deleted")) : message.body;
  const label = t("summary", {
    name,
    time: clock(message.created_at),
    text: `${deleted ? text : plainText(text)}${t("files", { count: message.attachments.length })}`,
    edited: String(Boolean(message.edited_at)),
    replies: message.reply_count,
  });
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a touch shows the toolbar, as the focus does.
    <article
      data-row={item.key}
      aria-label={label}
      tabIndex={props.focusable ? 0 : -1}
      onFocus={() => {
        props.onFocus(item.key);
        setNear(true);
      }}
      onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && setNear(false)}
      onPointerEnter={() => setNear(true)}
      onPointerLeave={(event) => !event.currentTarget.contains(document.activeElement) && setNear(false)}
      onClick={() => setNear(true)}
      className={clsx(
        "relative flex gap-3 px-4 -outline-offset-2 sm:px-5",
        leads ? "mt-1.5 pt-1 pb-0.5" : "py-0.5",
        mentionsMe && !deleted
          ? "bg-mention-soft before:absolute before:inset-y-0 before:start-0 before:w-0.75 before:bg-mention"
          : "hover:bg-surface",
        pointedOut !== null && "animate-flash",
      )}
    >
      {leads ? (
        <button
          type="button"
          tabIndex={-1}
          aria-hidden
          onClick={() => openOverlay({ kind: "profile", userId: message.sender_id })}
          className="mt-0.5 h-fit shrink-0 rounded-full"
        >
          <PersonAvatar id={message.sender_id} />
        </button>
      ) : (
        // Longer than its column in some languages: it then reaches into the margin, and never makes a second line.
        <time
          dateTime={message.created_at}
          title={full(message.created_at)}
          className={clsx(
            "flex w-9 shrink-0 justify-end whitespace-nowrap pt-1 text-[0.6875rem] text-text-3 leading-4",
            !near && "invisible",
          )}
        >
          {clock(message.created_at)}
        </time>
      )}
      <div className="flex min-w-0 flex-1 flex-col items-start">
        {leads && (
          <p className="flex max-w-full items-baseline gap-2">
            <button
              type="button"
              dir="auto"
              tabIndex={near ? 0 : -1}
              onClick={() => openOverlay({ kind: "profile", userId: message.sender_id })}
              className="truncate font-semibold hover:underline"
            >
              {name}
            </button>
            <time
              dateTime={message.created_at}
              title={full(message.created_at)}
              className="shrink-0 text-text-3 text-xs"
            >
              {clock(message.created_at)}
            </time>
          </p>
        )}
        {deleted ? (
          <p className="text-text-3 italic">{text}</p>
        ) : props.editing ? (
          <EditForm message={message} rowKey={item.key} onDone={() => props.onEdit(null)} />
        ) : (
          <MessageBody message={message} />
        )}
        {!deleted && <Reactions message={message} />}
        {!props.inThread && message.reply_count > 0 && <ThreadLink message={message} />}
      </div>
      {near && !deleted && !props.editing && (
        <MessageToolbar message={message} inThread={props.inThread} onEdit={() => props.onEdit(item.key)} />
      )}
    </article>
  );
}
