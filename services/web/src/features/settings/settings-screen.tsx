"use client";

import {
  Bell,
  Database,
  KeyRound,
  type LucideIcon,
  MonitorSmartphone,
  Palette,
  Shield,
  Terminal,
  UserRound,
} from "lucide-react";
import dynamic from "next/dynamic";
import { useTranslations } from "use-intl";
import { ScreenHeader } from "../common/screen-header";
import { Sections } from "../common/sections";
import { Nowhere } from "../shell/nowhere";
import { AppearanceSettings } from "./appearance-settings";
import { ProfileSettings } from "./profile-settings";

const Notifications = dynamic(() => import("./notification-settings"), { ssr: false });
const Privacy = dynamic(() => import("./privacy-settings"), { ssr: false });
const Security = dynamic(() => import("./security-settings"), { ssr: false });
const Devices = dynamic(() => import("./device-settings"), { ssr: false });
const Tokens = dynamic(() => import("./token-settings"), { ssr: false });
const YourData = dynamic(() => import("./data-settings"), { ssr: false });

const SECTIONS = {
  profile: [UserRound, ProfileSettings],
  appearance: [Palette, AppearanceSettings],
  notifications: [Bell, Notifications],
  privacy: [Shield, Privacy],
  security: [KeyRound, Security],
  devices: [MonitorSmartphone, Devices],
  tokens: [Terminal, Tokens],
  data: [Database, YourData],
} as const satisfies Record<string, readonly [LucideIcon, React.ComponentType]>;

/** The reader's settings, a section at a time. */
export default function SettingsScreen({ section }: { section: string | null }) {
  const t = useTranslations("settings");
  const name = section ?? "profile";
  if (!isSection(name)) return <Nowhere />;
  const [, Section] = SECTIONS[name];
  return (
    <>
      <ScreenHeader title={t("title")} />
      <Sections
        label={t("title")}
        here={name}
        sections={(Object.keys(SECTIONS) as (keyof typeof SECTIONS)[]).map((key) => ({
          key,
          href: `/settings/${key}`,
          label: t(key),
          icon: SECTIONS[key][0],
        }))}
      >
        <h2 className="mb-4 font-semibold text-xl">{t(name)}</h2>
        <Section />
      </Sections>
    </>
  );
}

function isSection(name: string): name is keyof typeof SECTIONS {
  return Object.hasOwn(SECTIONS, name);
}
