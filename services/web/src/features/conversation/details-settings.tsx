"use client";

import { type FormEvent, useState } from "react";
import { useTranslations } from "use-intl";
import { useConversationActions } from "@/core/react";
import type { Conversation } from "@/core/types";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { Field, Input, RadioGroup, Select, TextArea } from "@/ui/field";
import { useAttempt } from "../common/use-attempt";
import { navigate } from "../navigation/navigation";
import type { Permissions } from "./permissions";

const RETENTION_DAYS = [7, 30, 90, 365];

/** How a conversation is set up, and the ways out of it. */
export function DetailsSettings(props: { conversation: Conversation; name: string; may: Permissions }) {
  const t = useTranslations("conversation");
  const { conversation, may } = props;
  const attempt = useAttempt();
  const { change } = useConversationActions();
  const days = conversation.retention_days ?? null;
  const choices = days === null || RETENTION_DAYS.includes(days) ? RETENTION_DAYS : [days, ...RETENTION_DAYS];
  return (
    <div className="flex flex-col gap-6 p-4">
      {may.manage && <NameForm key={conversation.updated_at} conversation={conversation} />}
      {may.manage && conversation.type === "channel" && (
        <>
          <RadioGroup
            label={t("visibility")}
            value={conversation.visibility}
            onChange={(visibility) => void attempt(() => change(conversation.id, { visibility }))}
            options={[
              { value: "public", label: t("visibilityPublic"), hint: t("visibilityPublicHint") },
              { value: "private", label: t("visibilityPrivate"), hint: t("visibilityPrivateHint") },
            ]}
          />
          <RadioGroup
            label={t("posting")}
            value={conversation.posting}
            onChange={(posting) => void attempt(() => change(conversation.id, { posting }))}
            options={[
              { value: "members", label: t("postingMembers") },
              { value: "admins", label: t("postingAdmins") },
            ]}
          />
        </>
      )}
      <Field label={t("retention")} hint={t("retentionNote")}>
        <Select
          disabled={!may.changeRetention}
          value={days ?? ""}
          onChange={(event) => {
            const retention_days = event.target.value === "" ? null : Number(event.target.value);
            void attempt(() => change(conversation.id, { retention_days }));
          }}
        >
          <option value="">{t("retentionAlways")}</option>
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {t("retentionDays", { days: choice })}
            </option>
          ))}
        </Select>
      </Field>
      {may.leave && <Ways {...props} />}
    </div>
  );
}

function NameForm({ conversation }: { conversation: Conversation }) {
  const t = useTranslations("conversation");
  const common = useTranslations("common");
  const attempt = useAttempt();
  const { change } = useConversationActions();
  const [name, setName] = useState(conversation.name ?? "");
  const [topic, setTopic] = useState(conversation.topic ?? "");
  const changed = name.trim() !== (conversation.name ?? "") || topic.trim() !== (conversation.topic ?? "");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void attempt(() => change(conversation.id, { name: name.trim(), topic: topic.trim() || null }), common("saved"));
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <Field label={t("name")}>
        <Input required dir="auto" maxLength={120} value={name} onChange={(event) => setName(event.target.value)} />
      </Field>
      <Field label={t("topic")}>
        <TextArea dir="auto" maxLength={500} value={topic} onChange={(event) => setTopic(event.target.value)} />
      </Field>
      <Button type="submit" size="sm" variant="primary" disabled={!changed} className="self-start">
        {common("save")}
      </Button>
    </form>
  );
}

function Ways({ conversation, name, may }: { conversation: Conversation; name: string; may: Permissions }) {
  const t = useTranslations("conversation");
  const attempt = useAttempt();
  const { leave, remove } = useConversationActions();
  const [asking, setAsking] = useState<"leave" | "delete" | null>(null);
  const close = () => setAsking(null);
  const go = async (run: (id: string) => Promise<void>) => {
    close();
    if (await attempt(() => run(conversation.id))) navigate("/");
  };
  return (
    <div className="flex flex-wrap gap-2 border-line border-t pt-5">
      <Button onClick={() => setAsking("leave")}>{t("leave")}</Button>
      {may.own && (
        <Button variant="danger" onClick={() => setAsking("delete")}>
          {t("deleteAction")}
        </Button>
      )}
      <Confirm
        open={asking === "leave"}
        onOpenChange={close}
        title={t("leaveTitle", { name })}
        text={t("leaveText")}
        action={t("leave")}
        onConfirm={() => void go(leave)}
      />
      <Confirm
        open={asking === "delete"}
        onOpenChange={close}
        title={t("deleteTitle", { name })}
        text={t("deleteText")}
        action={t("deleteAction")}
        onConfirm={() => void go(remove)}
      />
    </div>
  );
}
