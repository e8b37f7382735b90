"use client";

import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { useTranslations } from "use-intl";
import { ok } from "@/api/client";
import { useApi, useMe, useSessionActions } from "@/core/react";
import { Avatar } from "@/ui/avatar";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Field, Input, TextArea } from "@/ui/field";
import { useAttempt } from "../common/use-attempt";

/** Who one is to others. */
export function ProfileSettings() {
  const t = useTranslations("settings");
  const account = useTranslations("account");
  const common = useTranslations("common");
  const me = useMe();
  const api = useApi();
  const attempt = useAttempt();
  const changed = useProfileChanged();
  const [name, setName] = useState(me.display_name);
  const [about, setAbout] = useState(me.about);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    await attempt(async () => {
      await ok(api.PATCH("/api/v1/users/me", { body: { display_name: name.trim(), about: about.trim() } }));
      await changed();
    }, common("saved"));
    setBusy(false);
  };
  return (
    <div className="flex flex-col gap-6">
      <Picture />
      <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        <Field label={account("displayName")} hint={account("displayNameHint")}>
          <Input
            required
            dir="auto"
            maxLength={64}
            autoComplete="name"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </Field>
        <Field label={t("about")} hint={t("aboutHint")}>
          <TextArea dir="auto" maxLength={500} value={about} onChange={(event) => setAbout(event.target.value)} />
        </Field>
        <Button type="submit" variant="primary" busy={busy} className="self-start">
          {common("save")}
        </Button>
      </form>
      <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-2 border-line border-t pt-5">
        <dt className="text-text-3">{account("username")}</dt>
        <dd>@{me.username}</dd>
        <dt className="text-text-3">{account("email")}</dt>
        <dd className="flex flex-wrap items-center gap-2">
          {me.email}
          <Badge tone={me.email_verified ? "accent" : "warn"}>
            {t(me.email_verified ? "emailVerified" : "emailUnverified")}
          </Badge>
          {!me.email_verified && (
            <Button
              size="sm"
              onClick={() => void attempt(() => ok(api.POST("/api/v1/auth/email/resend")), account("verify.resent"))}
            >
              {account("verify.resend")}
            </Button>
          )}
        </dd>
      </dl>
    </div>
  );
}

/** Fetches one's own profile anew, as oneself and as a person among others. */
function useProfileChanged(): () => Promise<void> {
  const me = useMe();
  const queries = useQueryClient();
  const { reload } = useSessionActions();
  return async () => {
    await reload();
    await queries.invalidateQueries({ queryKey: ["person", me.id] });
  };
}

function Picture() {
  const t = useTranslations("settings");
  const me = useMe();
  const api = useApi();
  const attempt = useAttempt();
  const changed = useProfileChanged();
  const input = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const run = async (change: () => Promise<unknown>) => {
    setBusy(true);
    await attempt(async () => {
      await change();
      await changed();
    });
    setBusy(false);
  };
  const upload = (file: File | undefined) => {
    if (!file) return;
    const form = new FormData();
    form.set("file", file);
    // The document's types have files as text; the form goes as it is.
    const body = form as unknown as { file: string };
    void run(() => ok(api.PUT("/api/v1/users/me/avatar", { body, bodySerializer: () => form })));
  };
  return (
    <div className="flex items-center gap-4">
      <Avatar id={me.id} name={me.display_name} url={me.avatar_url} size="lg" />
      <input
        ref={input}
        type="file"
        accept="image/*"
        hidden
        onChange={(event) => {
          upload(event.target.files?.[0]);
          event.target.value = "";
        }}
      />
      <div className="flex flex-wrap gap-2">
        <Button busy={busy} onClick={() => input.current?.click()}>
          {t("pictureChange")}
        </Button>
        {me.avatar_url && (
          <Button variant="quiet" onClick={() => void run(() => ok(api.DELETE("/api/v1/users/me/avatar")))}>
            {t("pictureRemove")}
          </Button>
        )}
      </div>
    </div>
  );
}
