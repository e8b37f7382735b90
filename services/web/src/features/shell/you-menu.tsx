"use client";

import { Keyboard, LogOut, Settings, Shield, ShieldCheck, SmilePlus } from "lucide-react";
import { useTranslations } from "use-intl";
import { useMe, useMyPresence, useSessionActions } from "@/core/react";
import type { MyPresence } from "@/core/types";
import { Avatar } from "@/ui/avatar";
import { Menu, MenuChoice, MenuItem, MenuSeparator } from "@/ui/menu";
import { openOverlay } from "../common/overlay";
import { useAttempt } from "../common/use-attempt";
import { navigate } from "../navigation/navigation";
import { PresenceDot } from "../people/presence-dot";

const STATUSES: readonly MyPresence["status"][] = ["online", "away", "dnd", "invisible"];

/** Oneself: status, settings, and the pages for those who look after the platform. */
export function YouMenu() {
  const t = useTranslations("shell");
  const status = useTranslations("status");
  const account = useTranslations("account");
  const me = useMe();
  const { presence, set } = useMyPresence();
  const { signOut } = useSessionActions();
  const attempt = useAttempt();
  const chosen = presence?.status ?? "online";
  const choose = (next: MyPresence["status"]) =>
    void attempt(() => set({ status: next, text: presence?.text ?? null, emoji: presence?.emoji ?? null }));
  return (
    <Menu
      align="start"
      trigger={
        <button type="button" className="flex min-w-0 items-center gap-2.5 rounded-md p-1 hover:bg-hover">
          <span className="relative inline-flex">
            <Avatar id={me.id} name={me.display_name} url={me.avatar_url} size="sm" />
            <PresenceDot status={chosen} className="absolute -end-0.5 -bottom-0.5" />
          </span>
          <span dir="auto" className="truncate font-semibold">
            {me.display_name}
          </span>
          <span className="sr-only">{t("you", { status: status(chosen) })}</span>
          {presence?.emoji && <span aria-hidden>{presence.emoji}</span>}
        </button>
      }
    >
      <MenuChoice
        label={`@${me.username}`}
        value={chosen}
        onChange={choose}
        options={STATUSES.map((value) => ({
          value,
          label: status(value),
          icon: <PresenceDot status={value} className="ring-0" />,
        }))}
      />
      <MenuItem icon={SmilePlus} onSelect={() => openOverlay({ kind: "status" })}>
        {status("set")}
      </MenuItem>
      <MenuSeparator />
      <MenuItem icon={Settings} onSelect={() => navigate("/settings")}>
        {t("settings")}
      </MenuItem>
      <MenuItem icon={Keyboard} onSelect={() => openOverlay({ kind: "shortcuts" })}>
        {t("shortcuts")}
      </MenuItem>
      {(me.role === "moderator" || me.role === "admin") && (
        <MenuItem icon={Shield} onSelect={() => navigate("/moderation")}>
          {t("moderation")}
        </MenuItem>
      )}
      {me.role === "admin" && (
        <MenuItem icon={ShieldCheck} onSelect={() => navigate("/administration")}>
          {t("administration")}
        </MenuItem>
      )}
      <MenuSeparator />
      <MenuItem icon={LogOut} onSelect={() => void attempt(signOut)}>
        {account("signOut")}
      </MenuItem>
    </Menu>
  );
}
