"use client";

import { useEffect, useRef, useState } from "react";
import { useTranslations } from "use-intl";
import type { Message, TimelineItem } from "@/core/types";
import { plainText } from "../markdown/parse";
import { usePersonName } from "../people/person-avatar";

const TOLD = 5;

/** Reads out messages of others as they come; what is scrolled into view is not new. */
export function Arrivals({ items }: { items: readonly TimelineItem[] }) {
  const t = useTranslations("timeline");
  const newest = useRef<number | null>(null);
  const [told, setTold] = useState<readonly Message[]>([]);
  useEffect(() => {
    const messages = items.flatMap((item) => (item.kind === "message" ? [item] : []));
    const last = messages.at(-1)?.message.seq;
    if (last === undefined) return;
    const before = newest.current;
    newest.current = Math.max(last, before ?? 0);
    // A page of older or newer messages that was fetched is no arrival: those come one by one.
    if (before === null || last <= before) return;
    const fresh = messages.flatMap(({ message, own }) => (message.seq > before && !own ? [message] : []));
    if (fresh.length <= TOLD) setTold((earlier) => [...earlier, ...fresh].slice(-TOLD));
  }, [items]);
  return (
    <div role="log" aria-label={t("arrivals")} className="sr-only">
      {told.map((message) => (
        <Arrived key={message.id} message={message} />
      ))}
    </div>
  );
}

function Arrived({ message }: { message: Message }) {
  const t = useTranslations("timeline");
  const name = usePersonName(message.sender_id);
  const files = message.attachments.map((file) => file.name).join(", ");
  return <p>{t("arrived", { name, text: `${plainText(message.body)} ${files}`.trim() })}</p>;
}
