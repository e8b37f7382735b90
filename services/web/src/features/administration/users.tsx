"use client";

import { keepPreviousData, useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Ellipsis, SearchX } from "lucide-react";
import { type FormEvent, useDeferredValue, useState } from "react";
import { useTranslations } from "use-intl";
import { ok } from "@/api/client";
import type { components } from "@/api/schema";
import { useApi } from "@/core/react";
import { Avatar } from "@/ui/avatar";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { EmptyState } from "@/ui/empty-state";
import { Field, Input, Select, TextArea } from "@/ui/field";
import { IconButton } from "@/ui/icon-button";
import { Menu, MenuChoice, MenuItem, MenuSeparator } from "@/ui/menu";
import { SkeletonRows } from "@/ui/skeleton";
import { cursorPages } from "../common/cursor-pages";
import { Failed } from "../common/failed";
import { LoadMore } from "../common/load-more";
import { useAttempt } from "../common/use-attempt";

type AdminUser = components["schemas"]["AdminUser"];
type Role = AdminUser["role"];

const KEY = "admin-users";
const ROLES = ["user", "moderator", "admin"] as const;
const ROLE_NAMES = { user: "roleUser", moderator: "roleModerator", admin: "roleAdmin" } as const;

/** Every account, to find and to act on. */
export function Users() {
  const t = useTranslations("admin");
  const common = useTranslations("common");
  const api = useApi();
  const [text, setText] = useState("");
  const [role, setRole] = useState<Role | "">("");
  const query = useDeferredValue(text.trim());
  const users = useInfiniteQuery({
    queryKey: [KEY, query, role],
    placeholderData: keepPreviousData,
    ...cursorPages(50, (page, signal) =>
      ok(
        api.GET("/api/v1/admin/users", {
          params: { query: { ...page, ...(query ? { query } : {}), ...(role ? { role } : {}) } },
          signal,
        }),
      ),
    ),
  });
  const shown = users.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="flex flex-col gap-4">
      <div className="grid grid-cols-[1fr_12rem] gap-3">
        <Field label={t("findUser")}>
          <Input type="search" dir="auto" value={text} onChange={(event) => setText(event.target.value)} />
        </Field>
        <Field label={t("role")}>
          <Select value={role} onChange={(event) => setRole(event.target.value as Role | "")}>
            <option value="">{t("anyRole")}</option>
            {ROLES.map((value) => (
              <option key={value} value={value}>
                {t(ROLE_NAMES[value])}
              </option>
            ))}
          </Select>
        </Field>
      </div>
      {users.isPending ? (
        <SkeletonRows label={common("loading")} />
      ) : users.error ? (
        <Failed error={users.error} onRetry={users.refetch} />
      ) : shown.length === 0 ? (
        <EmptyState icon={SearchX} title={t("noneFound")} />
      ) : (
        <ul className="flex flex-col divide-y divide-line border-line border-y">
          {shown.map((user) => (
            <UserLine key={user.id} user={user} />
          ))}
        </ul>
      )}
      <LoadMore {...users} />
    </div>
  );
}

function UserLine({ user }: { user: AdminUser }) {
  const t = useTranslations("admin");
  return (
    <li className="flex min-h-16 items-center gap-3 py-2">
      <Avatar id={user.id} name={user.display_name} url={user.avatar_url} />
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-2">
          <span dir="auto" className="font-medium">
            {user.display_name}
          </span>
          {user.role !== "user" && <Badge tone="accent">{t(ROLE_NAMES[user.role])}</Badge>}
          {user.state === "suspended" && <Badge tone="danger">{t("suspended")}</Badge>}
        </p>
        <p className="truncate text-sm text-text-3">
          @{user.username} · {user.email}
        </p>
        {user.suspended_reason && (
          <p dir="auto" className="text-danger text-sm">
            {user.suspended_reason}
          </p>
        )}
      </div>
      <UserMenu user={user} />
    </li>
  );
}

function UserMenu({ user }: { user: AdminUser }) {
  const t = useTranslations("admin");
  const api = useApi();
  const queries = useQueryClient();
  const attempt = useAttempt();
  const [suspending, setSuspending] = useState(false);
  const params = { path: { user_id: user.id } };
  const act = (call: () => Promise<unknown>, done?: string) =>
    attempt(async () => {
      await call();
      await queries.invalidateQueries({ queryKey: [KEY] });
    }, done);
  return (
    <>
      <Menu trigger={<IconButton icon={Ellipsis} label={t("actions", { name: user.display_name })} />}>
        <MenuChoice
          label={t("role")}
          value={user.role}
          onChange={(role) =>
            void act(() => ok(api.PUT("/api/v1/admin/users/{user_id}/role", { params, body: { role } })))
          }
          options={ROLES.map((value) => ({ value, label: t(ROLE_NAMES[value]) }))}
        />
        <MenuSeparator />
        <MenuItem
          onSelect={() =>
            void act(() => ok(api.DELETE("/api/v1/admin/users/{user_id}/sessions", { params })), t("signedOut"))
          }
        >
          {t("signOutAll")}
        </MenuItem>
        {user.state === "active" ? (
          <MenuItem danger onSelect={() => setSuspending(true)}>
            {t("suspend")}
          </MenuItem>
        ) : (
          <MenuItem
            onSelect={() => void act(() => ok(api.DELETE("/api/v1/admin/users/{user_id}/suspension", { params })))}
          >
            {t("unsuspend")}
          </MenuItem>
        )}
      </Menu>
      {suspending && (
        <Suspend
          name={user.display_name}
          onClose={() => setSuspending(false)}
          onSuspend={(reason) =>
            act(() => ok(api.PUT("/api/v1/admin/users/{user_id}/suspension", { params, body: { reason } })))
          }
        />
      )}
    </>
  );
}

function Suspend(props: { name: string; onSuspend: (reason: string) => Promise<boolean>; onClose: () => void }) {
  const t = useTranslations("admin");
  const [reason, setReason] = useState("");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await props.onSuspend(reason.trim())) props.onClose();
  };
  return (
    <Dialog
      open
      onOpenChange={props.onClose}
      title={t("suspendTitle", { name: props.name })}
      description={t("suspendText")}
    >
      <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        <Field label={t("reason")}>
          <TextArea
            required
            dir="auto"
            maxLength={500}
            value={reason}
            onChange={(event) => setReason(event.target.value)}
          />
        </Field>
        <Button type="submit" variant="danger" className="self-end">
          {t("suspend")}
        </Button>
      </form>
    </Dialog>
  );
}
