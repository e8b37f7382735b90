"use client";

import { Ellipsis, UserPlus } from "lucide-react";
import { useMemo, useState } from "react";
import { useTranslations } from "use-intl";
import { useConversationActions, useMe, usePerson } from "@/core/react";
import type { Conversation, Member, MemberRole } from "@/core/types";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { IconButton } from "@/ui/icon-button";
import { Menu, MenuItem, MenuSeparator } from "@/ui/menu";
import { openOverlay } from "../common/overlay";
import { useAttempt } from "../common/use-attempt";
import { PersonAvatar, usePersonName } from "../people/person-avatar";
import type { Permissions } from "./permissions";

const ORDER: Record<MemberRole, number> = { owner: 0, admin: 1, member: 2 };
const ROLE_NAMES = { owner: "roleOwner", admin: "roleAdmin", member: "roleMember" } as const;
const SHOWN = 100;

/** The members, those who look after it first. */
export function MemberList({
  conversation,
  name,
  may,
}: {
  conversation: Conversation;
  name: string;
  may: Permissions;
}) {
  const t = useTranslations("conversation");
  const common = useTranslations("common");
  const [shown, setShown] = useState(SHOWN);
  const members = useMemo(
    () => [...conversation.members].sort((one, other) => ORDER[one.role] - ORDER[other.role]),
    [conversation.members],
  );
  return (
    <div className="p-2">
      <div className="flex items-center gap-2 px-2 py-1">
        <p className="flex-1 text-sm text-text-3">{t("members", { count: members.length })}</p>
        {may.manage && (
          <Button size="sm" onClick={() => openOverlay({ kind: "add-people", conversationId: conversation.id })}>
            <UserPlus aria-hidden className="size-4" />
            {t("addPeople")}
          </Button>
        )}
      </div>
      <ul>
        {members.slice(0, shown).map((member) => (
          <MemberLine key={member.user_id} member={member} conversation={conversation} name={name} may={may} />
        ))}
      </ul>
      {members.length > shown && (
        <Button size="sm" variant="quiet" onClick={() => setShown(shown + SHOWN)}>
          {common("loadMore")}
        </Button>
      )}
    </div>
  );
}

function MemberLine(props: { member: Member; conversation: Conversation; name: string; may: Permissions }) {
  const t = useTranslations("conversation");
  const { member, may } = props;
  const person = usePerson(member.user_id);
  const name = usePersonName(member.user_id);
  const other = member.user_id !== useMe().id;
  return (
    <li className="flex min-h-12 items-center gap-3 rounded-md px-2 hover:bg-surface">
      <button
        type="button"
        onClick={() => openOverlay({ kind: "profile", userId: member.user_id })}
        className="flex min-w-0 flex-1 items-center gap-3 rounded-md py-1 text-start"
      >
        <PersonAvatar id={member.user_id} presence />
        <span className="min-w-0">
          <span dir="auto" className="block truncate font-medium">
            {name}
          </span>
          <span className="block truncate text-text-3 text-xs">{person ? `@${person.username}` : " "}</span>
        </span>
      </button>
      {member.role !== "member" && <Badge>{t(ROLE_NAMES[member.role])}</Badge>}
      {other && (may.own || may.remove(member.role)) && <MemberMenu {...props} personName={name} />}
    </li>
  );
}

function MemberMenu(props: {
  member: Member;
  conversation: Conversation;
  name: string;
  personName: string;
  may: Permissions;
}) {
  const t = useTranslations("conversation");
  const attempt = useAttempt();
  const { setRole, removeMember } = useConversationActions();
  const [handing, setHanding] = useState(false);
  const { member, may, conversation } = props;
  const change = (role: MemberRole) => void attempt(() => setRole(conversation.id, member.user_id, role));
  return (
    <>
      <Menu trigger={<IconButton size="sm" icon={Ellipsis} label={t("memberActions", { name: props.personName })} />}>
        {may.own && (
          <>
            <MenuItem onSelect={() => change(member.role === "admin" ? "member" : "admin")}>
              {t(member.role === "admin" ? "makeMember" : "makeAdmin")}
            </MenuItem>
            <MenuItem onSelect={() => setHanding(true)}>{t("makeOwner")}</MenuItem>
            <MenuSeparator />
          </>
        )}
        {may.remove(member.role) && (
          <MenuItem danger onSelect={() => void attempt(() => removeMember(conversation.id, member.user_id))}>
            {t("removeMember")}
          </MenuItem>
        )}
      </Menu>
      <Confirm
        open={handing}
        onOpenChange={setHanding}
        title={t("makeOwnerTitle", { conversation: props.name, name: props.personName })}
        text={t("makeOwnerText")}
        action={t("makeOwnerAction")}
        onConfirm={() => {
          setHanding(false);
          change("owner");
        }}
      />
    </>
  );
}
