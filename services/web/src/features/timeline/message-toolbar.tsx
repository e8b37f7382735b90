"use client";

import {
  Bell,
  BellOff,
  Copy,
  Ellipsis,
  Eye,
  Flag,
  Link,
  MessageSquareReply,
  Pencil,
  Pin,
  PinOff,
  SmilePlus,
  Trash2,
} from "lucide-react";
import dynamic from "next/dynamic";
import { useState } from "react";
import { useTranslations } from "use-intl";
import { useFollowers, useMe } from "@/core/react";
import type { Message } from "@/core/types";
import { IconButton } from "@/ui/icon-button";
import { Menu, MenuItem, MenuSeparator } from "@/ui/menu";
import { Popover } from "@/ui/popover";
import { openOverlay } from "../common/overlay";
import { USUAL } from "../emoji/emoji";
import { useMessageCommands } from "./use-message-commands";

const EmojiPicker = dynamic(() => import("../emoji/emoji-picker"), { ssr: false });

/** What one can do with a message; shown at the one that is pointed at, or has the focus. */
export function MessageToolbar(props: { message: Message; inThread: boolean; onEdit: () => void }) {
  const { message } = props;
  const t = useTranslations("message");
  const commands = useMessageCommands();
  return (
    <div
      role="toolbar"
      aria-label={t("actions")}
      className="absolute end-4 -top-4 z-10 flex items-center rounded-md border border-line bg-raised p-0.5 shadow-lift"
    >
      <span className="hidden items-center sm:flex">
        {USUAL.slice(0, 3).map((emoji) => (
          <button
            key={emoji}
            type="button"
            aria-label={t("reactWith", { emoji })}
            onClick={() => commands.react(message, emoji)}
            className="inline-flex size-7 items-center justify-center rounded-md hover:bg-hover"
          >
            {emoji}
          </button>
        ))}
      </span>
      <ReactButton message={message} />
      {!props.inThread && !message.thread_root && (
        <IconButton
          size="sm"
          icon={MessageSquareReply}
          label={t("reply")}
          keys="R"
          onClick={() => commands.openThread(message)}
        />
      )}
      <MoreMenu {...props} />
    </div>
  );
}

function ReactButton({ message }: { message: Message }) {
  const t = useTranslations("message");
  const emoji = useTranslations("emoji");
  const { react } = useMessageCommands();
  const [open, setOpen] = useState(false);
  return (
    <Popover
      label={emoji("label")}
      open={open}
      onOpenChange={setOpen}
      align="end"
      trigger={<IconButton size="sm" icon={SmilePlus} label={t("react")} keys="+" data-react={message.id} />}
    >
      <EmojiPicker
        onChoose={(chosen) => {
          setOpen(false);
          react(message, chosen);
        }}
      />
    </Popover>
  );
}

function MoreMenu({ message, onEdit }: { message: Message; onEdit: () => void }) {
  const t = useTranslations("message");
  const commands = useMessageCommands();
  const own = message.sender_id === useMe().id;
  const pinned = commands.isPinned(message);
  const [open, setOpen] = useState(false);
  return (
    <Menu open={open} onOpenChange={setOpen} trigger={<IconButton size="sm" icon={Ellipsis} label={t("more")} />}>
      {own && (
        <MenuItem icon={Pencil} onSelect={onEdit}>
          {t("edit")}
        </MenuItem>
      )}
      {message.body && (
        <MenuItem icon={Copy} onSelect={() => commands.copyText(message)}>
          {t("copyText")}
        </MenuItem>
      )}
      <MenuItem icon={Link} onSelect={() => commands.copyLink(message)}>
        {t("copyLink")}
      </MenuItem>
      {commands.mayPin && (
        <MenuItem icon={pinned ? PinOff : Pin} onSelect={() => commands.togglePin(message)}>
          {t(pinned ? "unpin" : "pin")}
        </MenuItem>
      )}
      {!message.thread_root && <FollowItem message={message} />}
      <MenuItem icon={Eye} onSelect={() => openOverlay({ kind: "seen", message })}>
        {t("seenBy")}
      </MenuItem>
      {(!own || commands.mayDelete(message)) && <MenuSeparator />}
      {!own && (
        <MenuItem icon={Flag} onSelect={() => openOverlay({ kind: "report", message })}>
          {t("report")}
        </MenuItem>
      )}
      {commands.mayDelete(message) && (
        <MenuItem icon={Trash2} danger onSelect={() => openOverlay({ kind: "delete", message })}>
          {t("delete")}
        </MenuItem>
      )}
    </Menu>
  );
}

function FollowItem({ message }: { message: Message }) {
  const t = useTranslations("message");
  const { data } = useFollowers(message.id);
  const { follow } = useMessageCommands();
  const me = useMe().id;
  const follows = data?.includes(me) ?? false;
  return (
    <MenuItem icon={follows ? BellOff : Bell} disabled={!data} onSelect={() => follow(message, !follows)}>
      {t(follows ? "unfollow" : "follow")}
    </MenuItem>
  );
}
