"use client";

import { Ban, MessageSquare, UserMinus, UserPlus } from "lucide-react";
import { useState } from "react";
import { useTranslations } from "use-intl";
import { useMe, usePerson } from "@/core/react";
import type { Person } from "@/core/types";
import { Avatar } from "@/ui/avatar";
import { Button, buttonClass } from "@/ui/button";
import { Confirm, Dialog } from "@/ui/dialog";
import { Skeleton } from "@/ui/skeleton";
import { useMoments } from "../common/moments";
import { useAttempt } from "../common/use-attempt";
import { Appearance } from "../conversation/conversation-header";
import { AppLink } from "../navigation/navigation";
import { useContactActions, useContacts } from "./use-contacts";
import { useWriteTo } from "./use-write-to";

/** Who somebody is, and what one can do about them. */
export default function ProfileDialog({ userId, onClose }: { userId: string; onClose: () => void }) {
  const t = useTranslations("message");
  const people = useTranslations("people");
  const { date } = useMoments();
  const person = usePerson(userId);
  const me = useMe();
  const name = person === null ? t("erasedPerson") : (person?.display_name ?? "…");
  return (
    <Dialog open onOpenChange={onClose} title={people("profileOf", { name })}>
      <div className="flex items-center gap-4">
        <Avatar id={userId} name={name} url={person?.avatar_url} size="lg" />
        {person === undefined ? (
          <Skeleton className="h-10 w-40" />
        ) : (
          <div className="min-w-0">
            <p dir="auto" className="truncate font-semibold text-xl">
              {name}
            </p>
            {person && <p className="text-text-3">@{person.username}</p>}
            {person && (
              <p className="text-text-2">
                <Appearance id={userId} />
              </p>
            )}
          </div>
        )}
      </div>
      {person && (
        <div className="mt-4 flex flex-col gap-3">
          {person.about && (
            <p dir="auto" className="whitespace-pre-line">
              {person.about}
            </p>
          )}
          <p className="text-sm text-text-3">{people("memberSince", { when: date(person.created_at) })}</p>
          {person.id === me.id ? (
            <AppLink href="/settings/profile" onClick={onClose} className={buttonClass("secondary")}>
              {people("you")}
            </AppLink>
          ) : (
            <Actions person={person} onClose={onClose} />
          )}
        </div>
      )}
    </Dialog>
  );
}

function Actions({ person, onClose }: { person: Person; onClose: () => void }) {
  const t = useTranslations("people");
  const attempt = useAttempt();
  const writeTo = useWriteTo();
  const { ask, accept, block, end } = useContactActions();
  const { data } = useContacts();
  const [asking, setAsking] = useState(false);
  const contact = data?.find(({ user }) => user.id === person.id);
  const blocked = contact?.state === "blocked";
  const incoming = contact?.state === "requested" && contact.incoming;
  return (
    <div className="flex flex-wrap gap-2">
      {!blocked && (
        <Button variant="primary" onClick={() => void writeTo(person.id).then((done) => done && onClose())}>
          <MessageSquare aria-hidden className="size-4" />
          {t("write")}
        </Button>
      )}
      {data && !contact && (
        <Button onClick={() => void attempt(() => ask(person.id), t("asked"))}>
          <UserPlus aria-hidden className="size-4" />
          {t("ask")}
        </Button>
      )}
      {incoming && <Button onClick={() => void attempt(() => accept(person.id))}>{t("accept")}</Button>}
      {contact && (
        <Button onClick={() => void attempt(() => end(person.id))}>
          <UserMinus aria-hidden className="size-4" />
          {t(blocked ? "unblock" : incoming ? "decline" : contact.state === "accepted" ? "endContact" : "withdraw")}
        </Button>
      )}
      {!blocked && (
        <Button variant="quiet" onClick={() => setAsking(true)}>
          <Ban aria-hidden className="size-4" />
          {t("block")}
        </Button>
      )}
      <Confirm
        open={asking}
        onOpenChange={setAsking}
        title={t("blockTitle", { name: person.display_name })}
        text={t("blockText")}
        action={t("block")}
        onConfirm={() => {
          setAsking(false);
          void attempt(() => block(person.id));
        }}
      />
    </div>
  );
}
