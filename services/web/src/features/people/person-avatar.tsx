"use client";

import { useTranslations } from "use-intl";
import { usePerson, usePresence } from "@/core/react";
import { Avatar } from "@/ui/avatar";
import { PresenceDot } from "./presence-dot";

/** A person's picture, with how they appear where that is wanted. */
export function PersonAvatar(props: { id: string; size?: "xs" | "sm" | "md" | "lg"; presence?: boolean }) {
  const person = usePerson(props.id);
  return (
    <span className="relative inline-flex shrink-0">
      <Avatar id={props.id} name={person?.display_name ?? "·"} url={person?.avatar_url} size={props.size ?? "md"} />
      {props.presence && <LiveDot id={props.id} />}
    </span>
  );
}

function LiveDot({ id }: { id: string }) {
  const presence = usePresence(id);
  return <PresenceDot status={presence?.status ?? "offline"} className="absolute -end-0.5 -bottom-0.5" />;
}

/** A person's name; dots while it is loaded, a word in its place when the account is gone. */
export function usePersonName(id: string | null | undefined): string {
  const t = useTranslations("message");
  const person = usePerson(id);
  return person === null ? t("erasedPerson") : (person?.display_name ?? "…");
}
