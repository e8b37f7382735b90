import { keepChoice } from "@/i18n/choice";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export const THEME_COOKIE = "theme";
export const CONTRAST_COOKIE = "contrast";

export function isTheme(text: string | undefined): text is Theme {
  return THEMES.some((theme) => theme === text);
}

/** The attributes of `<html>` for what the cookies hold; nothing stands for "as the system does". */
export function themeAttributes(theme: string | undefined, contrast: string | undefined) {
  return {
    ...(isTheme(theme) && theme !== "system" ? { "data-theme": theme } : {}),
    ...(contrast === "more" ? { "data-contrast": "more" } : {}),
  };
}

export function chooseTheme(theme: Theme): void {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  keepChoice(THEME_COOKIE, theme === "system" ? undefined : theme);
}

export function chosenTheme(): Theme {
  const theme = document.documentElement.dataset.theme;
  return isTheme(theme) ? theme : "system";
}

export function chooseContrast(more: boolean): void {
  const root = document.documentElement;
  if (more) root.dataset.contrast = "more";
  else delete root.dataset.contrast;
  keepChoice(CONTRAST_COOKIE, more ? "more" : undefined);
}

export function chosenContrast(): boolean {
  return document.documentElement.dataset.contrast === "more";
}
