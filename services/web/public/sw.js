// Shows pushes, and opens what they are about. Nothing is cached here: the app keeps its own data.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

/** The address within the app for what a push tells; `conversation_id` is null when it tells of several. */
function addressOf(push) {
  return push.conversation_id ? `/c/${encodeURIComponent(push.conversation_id)}` : "/";
}

async function show(push) {
  // Whoever looks at the app sees the message there.
  const windows = await self.clients.matchAll({ type: "window" });
  if (windows.some((client) => client.focused)) return;
  await self.registration.showNotification(push.title, {
    body: push.body,
    tag: push.conversation_id ?? "several",
    renotify: true,
    icon: "/icon-192.png",
    timestamp: Date.parse(push.created_at),
    data: { address: addressOf(push) },
  });
}

async function open(address) {
  const [client] = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  if (!client) return self.clients.openWindow(address);
  await client.focus();
  client.postMessage({ type: "open", address });
}

self.addEventListener("push", (event) => {
  if (event.data) event.waitUntil(show(event.data.json()));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data.address));
});
