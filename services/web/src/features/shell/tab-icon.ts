const ICONS = { calm: "/icon.svg", unread: "/icon-unread.svg", mention: "/icon-mention.svg" } as const;

/** Shows one of the icons in the browser's tab. */
export function drawIcon(state: keyof typeof ICONS): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  const address = ICONS[state];
  if (link && link.getAttribute("href") !== address) link.setAttribute("href", address);
}
