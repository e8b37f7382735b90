"use client";

import { clsx } from "clsx";
import { memo } from "react";
import { useFormatter, useTranslations } from "use-intl";
import { useMe } from "@/core/react";
import type { Message } from "@/core/types";
import { Tooltip } from "@/ui/tooltip";
import { usePeople } from "../people/use-people";
import { useMessageCommands } from "./use-message-commands";

/** So many are named. */
const NAMED = 5;

/** Who reacted with what; a click joins in, or takes one's own back. */
export const Reactions = memo(function Reactions({ message }: { message: Message }) {
  const entries = Object.entries(message.reactions);
  if (entries.length === 0) return null;
  return (
    <ul className="mt-1 mb-0.5 flex flex-wrap gap-1">
      {entries.map(([emoji, ids]) => (
        <li key={emoji}>
          <Reaction message={message} emoji={emoji} ids={ids} />
        </li>
      ))}
    </ul>
  );
});

function Reaction({ message, emoji, ids }: { message: Message; emoji: string; ids: readonly string[] }) {
  const t = useTranslations("message");
  const common = useTranslations("common");
  const format = useFormatter();
  const { react } = useMessageCommands();
  const me = useMe().id;
  const mine = ids.includes(me);
  const named = [...(mine ? [me] : []), ...ids.filter((id) => id !== me)].slice(0, NAMED);
  const people = usePeople(named);
  const list = named.map((id) => (id === me ? common("you") : (people.get(id)?.display_name ?? common("somebody"))));
  const names = t("reactionOthers", { names: format.list(list), others: ids.length - named.length });
  return (
    <Tooltip text={names}>
      <button
        type="button"
        aria-pressed={mine}
        onClick={() => react(message, emoji)}
        className={clsx(
          "inline-flex h-6.5 items-center gap-1.5 rounded-full border px-2 text-sm tabular-nums",
          mine
            ? "border-accent bg-accent-soft text-accent"
            : "border-line bg-surface text-text-2 hover:border-line-strong",
        )}
      >
        <span className="max-w-24 truncate">{emoji}</span>
        {format.number(ids.length)}
        <span className="sr-only">{t("reaction", { names, mine: String(mine) })}</span>
      </button>
    </Tooltip>
  );
}
