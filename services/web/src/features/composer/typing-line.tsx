"use client";

import { useTranslations } from "use-intl";
import { useTyping } from "@/core/react";
import { usePersonName } from "../people/person-avatar";

/** Who types, in a line that is always there: nothing moves when it fills. */
export function TypingLine({ conversationId }: { conversationId: string }) {
  const t = useTranslations("typing");
  const ids = useTyping(conversationId);
  const first = usePersonName(ids[0]);
  const second = usePersonName(ids[1]);
  return (
    <p data-testid="typing" className="h-6 shrink-0 truncate px-5 text-text-3 text-xs leading-6">
      {ids.length > 0 && t("who", { count: ids.length, first, second })}
    </p>
  );
}
