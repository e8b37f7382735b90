"use client";

import { type FormEvent, useState } from "react";
import { useTranslations } from "use-intl";
import { useConversationActions, useMe } from "@/core/react";
import type { Person } from "@/core/types";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, Input, RadioGroup } from "@/ui/field";
import { useAttempt } from "../common/use-attempt";
import { navigate } from "../navigation/navigation";
import { conversationPath } from "../navigation/routes";
import { PersonChooser } from "../people/person-chooser";

/** Makes a group or a channel. */
export default function NewConversationDialog({ type, onClose }: { type: "group" | "channel"; onClose: () => void }) {
  const t = useTranslations("conversation");
  const shell = useTranslations("shell");
  const attempt = useAttempt();
  const { create } = useConversationActions();
  const me = useMe().id;
  const [name, setName] = useState("");
  const [topic, setTopic] = useState("");
  const [visibility, setVisibility] = useState<"public" | "private">("public");
  const [people, setPeople] = useState<Person[]>([]);
  const [busy, setBusy] = useState(false);
  const channel = type === "channel";

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    const done = await attempt(async () => {
      const made = await create({
        type,
        name: name.trim(),
        members: people.map((person) => person.id),
        ...(topic.trim() ? { topic: topic.trim() } : {}),
        ...(channel ? { visibility } : {}),
      });
      navigate(conversationPath(made.id));
    });
    setBusy(false);
    if (done) onClose();
  };
  return (
    <Dialog open onOpenChange={onClose} title={shell(channel ? "newChannel" : "newGroup")}>
      <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        <Field label={t("name")} hint={t("groupNameHint")}>
          <Input required dir="auto" maxLength={120} value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        {channel && (
          <>
            <Field label={t("topic")}>
              <Input dir="auto" maxLength={500} value={topic} onChange={(event) => setTopic(event.target.value)} />
            </Field>
            <RadioGroup
              label={t("visibility")}
              value={visibility}
              onChange={setVisibility}
              options={[
                { value: "public", label: t("visibilityPublic"), hint: t("visibilityPublicHint") },
                { value: "private", label: t("visibilityPrivate"), hint: t("visibilityPrivateHint") },
              ]}
            />
          </>
        )}
        <PersonChooser chosen={people} onChange={setPeople} without={new Set([me])} />
        <Button type="submit" variant="primary" busy={busy} className="self-end">
          {t("create")}
        </Button>
      </form>
    </Dialog>
  );
}
