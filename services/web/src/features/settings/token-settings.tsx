"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, Terminal } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslations } from "use-intl";
import { ok } from "@/api/client";
import type { components } from "@/api/schema";
import { useApi, useMe } from "@/core/react";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { EmptyState } from "@/ui/empty-state";
import { Checkbox, Field, Input } from "@/ui/field";
import { SkeletonRows } from "@/ui/skeleton";
import { Failed } from "../common/failed";
import { useMoments } from "../common/moments";
import { useAttempt } from "../common/use-attempt";

type Scope = components["schemas"]["NewApiToken"]["scopes"][number];

const KEY = ["api-tokens"];
const SCOPES = ["profile", "messages", "files", "presence", "notifications"].flatMap((name) => [
  `${name}:read`,
  `${name}:write`,
]) as Scope[];

/** Keys for programs that act as the reader. */
export default function TokenSettings() {
  const t = useTranslations("settings");
  const common = useTranslations("common");
  const api = useApi();
  const queries = useQueryClient();
  const attempt = useAttempt();
  const { date, ago } = useMoments();
  const [making, setMaking] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  const tokens = useQuery({
    queryKey: KEY,
    queryFn: async ({ signal }) => (await ok(api.GET("/api/v1/tokens", { signal }))).items,
  });
  if (tokens.isPending) return <SkeletonRows rows={2} label={common("loading")} />;
  if (tokens.error) return <Failed error={tokens.error} onRetry={tokens.refetch} />;
  const changed = () => queries.invalidateQueries({ queryKey: KEY });
  const revoke = (token_id: string) =>
    void attempt(async () => {
      await ok(api.DELETE("/api/v1/tokens/{token_id}", { params: { path: { token_id } } }));
      await changed();
    });
  return (
    <div className="flex flex-col gap-4">
      <p className="text-text-2">{t("tokensText")}</p>
      <Button className="self-start" onClick={() => setMaking(true)}>
        <Plus aria-hidden className="size-4" />
        {t("tokenNew")}
      </Button>
      {tokens.data.length === 0 ? (
        <EmptyState icon={Terminal} title={t("tokenNone")} />
      ) : (
        <ul className="flex flex-col divide-y divide-line border-line border-y">
          {tokens.data.map((token) => (
            <li key={token.id} className="flex items-center gap-3 py-3">
              <div className="min-w-0 flex-1">
                <p dir="auto" className="font-medium">
                  {token.name}
                </p>
                <p className="text-sm text-text-3">
                  {t("tokenExpires", { when: date(token.expires_at) })} ·{" "}
                  {token.last_used_at ? t("deviceUsed", { when: ago(token.last_used_at) }) : t("tokenNeverUsed")}
                </p>
                <p className="mt-1 flex flex-wrap gap-1">
                  {token.scopes.map((scope) => (
                    <Badge key={scope}>{scope}</Badge>
                  ))}
                </p>
              </div>
              <Button size="sm" aria-label={t("revokeNamed", { name: token.name })} onClick={() => revoke(token.id)}>
                {t("revoke")}
              </Button>
            </li>
          ))}
        </ul>
      )}
      {making && (
        <NewToken
          onClose={() => setMaking(false)}
          onMade={(made) => {
            setMaking(false);
            setSecret(made);
            void changed();
          }}
        />
      )}
      {secret && (
        <Dialog
          open
          onOpenChange={() => setSecret(null)}
          title={t("tokenSecretTitle")}
          description={t("tokenSecretText")}
          footer={
            <Button
              variant="primary"
              onClick={() => void attempt(() => navigator.clipboard.writeText(secret), common("copied"))}
            >
              {common("copy")}
            </Button>
          }
        >
          <code dir="ltr" className="block break-all rounded-md bg-surface p-3 font-mono text-sm">
            {secret}
          </code>
        </Dialog>
      )}
    </div>
  );
}

function NewToken({ onMade, onClose }: { onMade: (secret: string) => void; onClose: () => void }) {
  const t = useTranslations("settings");
  const common = useTranslations("conversation");
  const api = useApi();
  const me = useMe();
  const attempt = useAttempt();
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Scope[]>([]);
  const offered = [
    ...SCOPES,
    ...(me.role === "moderator" || me.role === "admin" ? (["moderation"] as Scope[]) : []),
    ...(me.role === "admin" ? (["admin"] as Scope[]) : []),
  ];
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void attempt(async () => {
      const body = { name: name.trim(), scopes: [...scopes] };
      onMade((await ok(api.POST("/api/v1/tokens", { body }))).token);
    });
  };
  return (
    <Dialog open onOpenChange={onClose} title={t("tokenNew")}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <Field label={t("tokenName")}>
          <Input required dir="auto" maxLength={100} value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <fieldset>
          <legend className="mb-1 font-medium text-sm">{t("tokenScopes")}</legend>
          <div dir="ltr" className="grid grid-cols-2">
            {offered.map((scope) => (
              <Checkbox
                key={scope}
                label={scope}
                checked={scopes.includes(scope)}
                onChange={(on) => setScopes(on ? [...scopes, scope] : scopes.filter((one) => one !== scope))}
              />
            ))}
          </div>
        </fieldset>
        <Button type="submit" variant="primary" disabled={scopes.length === 0} className="self-end">
          {common("create")}
        </Button>
      </form>
    </Dialog>
  );
}
