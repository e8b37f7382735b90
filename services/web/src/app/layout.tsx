import type { Metadata, Viewport } from "next";
import { cookies, headers } from "next/headers";
import type { ReactNode } from "react";
import { CoreProvider } from "@/core/react";
import { directionOf } from "@/i18n/locales";
import { I18nProvider } from "@/i18n/provider";
import { messagesOf, requestLocale } from "@/i18n/server";
import { Providers } from "@/ui/providers";
import { CONTRAST_COOKIE, THEME_COOKIE, themeAttributes } from "@/ui/theme";
import "./globals.css";

export const metadata: Metadata = {
  title: "ChatCluster",
  applicationName: "ChatCluster",
  manifest: "/manifest.webmanifest",
  icons: { icon: "/icon.svg", apple: "/icon-192.png" },
  robots: { index: false },
};

export const viewport: Viewport = {
  width: "device-width",
  initialScale: 1,
  viewportFit: "cover",
  interactiveWidget: "resizes-content",
  themeColor: [
    { media: "(prefers-color-scheme: light)", color: "#f6f7f8" },
    { media: "(prefers-color-scheme: dark)", color: "#101317" },
  ],
};

export default async function RootLayout({ children }: { children: ReactNode }) {
  const [locale, chosen, sent] = await Promise.all([requestLocale(), cookies(), headers()]);
  const attributes = themeAttributes(chosen.get(THEME_COOKIE)?.value, chosen.get(CONTRAST_COOKIE)?.value);
  const direction = directionOf(locale);
  return (
    <html lang={locale} dir={direction} {...attributes}>
      <body>
        <I18nProvider locale={locale} messages={await messagesOf(locale)}>
          <Providers direction={direction} nonce={sent.get("x-nonce") ?? undefined}>
            <CoreProvider>{children}</CoreProvider>
          </Providers>
        </I18nProvider>
      </body>
    </html>
  );
}
