"use client";

import { useState } from "react";
import { useTranslations } from "use-intl";
import { useConversation, useConversationActions } from "@/core/react";
import type { Person } from "@/core/types";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { useAttempt } from "../common/use-attempt";
import { PersonChooser } from "../people/person-chooser";

export default function AddPeopleDialog({ conversationId, onClose }: { conversationId: string; onClose: () => void }) {
  const t = useTranslations("conversation");
  const attempt = useAttempt();
  const { addMember } = useConversationActions();
  const conversation = useConversation(conversationId);
  const [people, setPeople] = useState<Person[]>([]);
  const [busy, setBusy] = useState(false);
  const add = async () => {
    setBusy(true);
    const done = await attempt(async () => {
      for (const person of people) await addMember(conversationId, person.id);
    });
    setBusy(false);
    if (done) onClose();
  };
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={t("addPeople")}
      footer={
        <Button variant="primary" busy={busy} disabled={people.length === 0} onClick={() => void add()}>
          {t("add")}
        </Button>
      }
    >
      <PersonChooser
        chosen={people}
        onChange={setPeople}
        without={new Set(conversation?.members.map((member) => member.user_id))}
      />
    </Dialog>
  );
}
