"use client";

import { useQueryClient } from "@tanstack/react-query";
import { useFormatter, useTranslations } from "use-intl";
import { ok } from "@/api/client";
import type { components } from "@/api/schema";
import { useApi, useNotificationPreferences } from "@/core/react";
import { Button } from "@/ui/button";
import { Field, Input, RadioGroup, Select } from "@/ui/field";
import { SkeletonRows } from "@/ui/skeleton";
import { Switch } from "@/ui/switch";
import { Failed } from "../common/failed";
import { useMoments } from "../common/moments";
import { useAttempt } from "../common/use-attempt";
import { PushSwitch } from "./push-switch";

type Preferences = components["schemas"]["Preferences-Input"];
type QuietHours = NonNullable<Preferences["quiet_hours"]>;
type Day = NonNullable<QuietHours["days"]>[number];

const HOUR_MS = 3600_000;
const DIGESTS = [15, 60, 240, 1440];
const DAYS: readonly Day[] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const USUAL_QUIET: QuietHours = { start: "22:00", end: "07:00", days: [...DAYS], time_zone: null };
/** A Monday, to name the days by. */
const MONDAY_MS = Date.UTC(2024, 0, 1, 12);

/** What one is told of while away, how, and when not. */
export default function NotificationSettings() {
  const t = useTranslations("settings");
  const common = useTranslations("common");
  const api = useApi();
  const queries = useQueryClient();
  const attempt = useAttempt();
  const { short } = useMoments();
  const preferences = useNotificationPreferences();
  if (preferences.isPending) return <SkeletonRows rows={6} label={common("loading")} />;
  if (preferences.error) return <Failed error={preferences.error} onRetry={preferences.refetch} />;

  const now = preferences.data as Preferences;
  const change = (changes: Partial<Preferences>) =>
    void attempt(async () => {
      await ok(api.PUT("/api/v1/notifications/preferences", { body: { ...now, ...changes } }));
      await queries.invalidateQueries({ queryKey: ["notification-preferences"] });
    });
  const channels = { email: true, push: true, ...now.channels };
  const paused = now.muted_until && Date.parse(now.muted_until) > Date.now() ? now.muted_until : null;
  return (
    <div className="flex flex-col gap-6">
      <RadioGroup
        label={t("level")}
        value={now.default_level}
        onChange={(default_level) => change({ default_level })}
        options={[
          { value: "all", label: t("levelAll") },
          { value: "mentions", label: t("levelMentions") },
          { value: "none", label: t("levelNone") },
        ]}
      />
      <div>
        <Switch
          label={t("byMail")}
          checked={channels.email}
          onChange={(email) => change({ channels: { ...channels, email } })}
        />
        <Switch
          label={t("byPush")}
          checked={channels.push}
          onChange={(push) => change({ channels: { ...channels, push } })}
        />
        <PushSwitch />
      </div>
      <Field label={t("digest")}>
        <Select
          disabled={!channels.email}
          value={now.digest_minutes ?? ""}
          onChange={(event) =>
            change({ digest_minutes: event.target.value === "" ? null : Number(event.target.value) })
          }
        >
          <option value="">{t("digestOff")}</option>
          {DIGESTS.map((minutes) => (
            <option key={minutes} value={minutes}>
              {t("digestEvery", { minutes })}
            </option>
          ))}
        </Select>
      </Field>
      <div className="flex flex-wrap items-center gap-3">
        <p className="flex-1">{paused ? t("pausedUntil", { when: short(paused) }) : t("pause")}</p>
        {paused ? (
          <Button size="sm" onClick={() => change({ muted_until: null })}>
            {t("resume")}
          </Button>
        ) : (
          <Pauses onChoose={(ms) => change({ muted_until: new Date(Date.now() + ms).toISOString() })} />
        )}
      </div>
      <QuietHoursFields value={now.quiet_hours ?? null} onChange={(quiet_hours) => change({ quiet_hours })} />
    </div>
  );
}

function Pauses({ onChoose }: { onChoose: (ms: number) => void }) {
  const t = useTranslations("conversation");
  return (
    <div className="flex gap-2">
      <Button size="sm" onClick={() => onChoose(HOUR_MS)}>
        {t("muteHour")}
      </Button>
      <Button size="sm" onClick={() => onChoose(24 * HOUR_MS)}>
        {t("muteDay")}
      </Button>
      <Button size="sm" onClick={() => onChoose(7 * 24 * HOUR_MS)}>
        {t("muteWeek")}
      </Button>
    </div>
  );
}

function QuietHoursFields({
  value,
  onChange,
}: {
  value: QuietHours | null;
  onChange: (value: QuietHours | null) => void;
}) {
  const t = useTranslations("settings");
  const format = useFormatter();
  const dayName = (index: number) =>
    format.dateTime(MONDAY_MS + index * 24 * HOUR_MS, { weekday: "short", timeZone: "UTC" });
  return (
    <section aria-label={t("quiet")} className="flex flex-col gap-3 border-line border-t pt-4">
      <Switch
        label={t("quiet")}
        hint={t("quietHint")}
        checked={value !== null}
        onChange={(on) => onChange(on ? USUAL_QUIET : null)}
      />
      {value && (
        <>
          <div className="grid grid-cols-2 gap-3">
            {(["start", "end"] as const).map((which) => (
              <Field key={which} label={t(which === "start" ? "quietFrom" : "quietTo")}>
                <Input
                  type="time"
                  required
                  value={value[which].slice(0, 5)}
                  onChange={(event) => event.target.value && onChange({ ...value, [which]: event.target.value })}
                />
              </Field>
            ))}
          </div>
          <fieldset>
            <legend className="mb-1.5 font-medium text-sm">{t("quietDays")}</legend>
            <div className="flex flex-wrap gap-1.5">
              {DAYS.map((day, index) => {
                const days = value.days ?? DAYS;
                const on = days.includes(day);
                const next = on ? days.filter((one) => one !== day) : [...days, day];
                return (
                  <Button
                    key={day}
                    size="sm"
                    variant={on ? "primary" : "secondary"}
                    aria-pressed={on}
                    disabled={on && days.length === 1}
                    onClick={() => onChange({ ...value, days: next })}
                  >
                    {dayName(index)}
                  </Button>
                );
              })}
            </div>
          </fieldset>
        </>
      )}
    </section>
  );
}
